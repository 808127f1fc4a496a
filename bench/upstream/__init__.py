"""The transports to upstreams, side by side and beside a floor: CPU time, and nothing else.

Every sample is taken in a process of its own (`sample`), with an upstream in another one (`server`);
`run` starts them in rounds, `table` makes rows of what they say.
"""
