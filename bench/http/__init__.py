"""The whole gateway over HTTP, beside a floor and beside its peers: CPU time, waiting and memory.

`upstream` is the model server that all of them ask, `load` the clients; `contenders` knows how each is
started, `run` takes the samples in rounds, `memory` what is resident, `table` makes text of it.
"""
