"""Sessions that last: what a turn costs for being kept, beside the disk and beside the same turn unkept.

Every sample is taken in a process of its own (`sample`); `run` starts them in rounds, `table` makes rows
of what they say.
"""
