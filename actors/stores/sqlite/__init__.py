"""The store in one SQLite file, or in memory: for one process on one machine.

The library is the standard one's, its version 3.37 or newer. One connection writes, from one thread, and
commits what waits together; a few others read.
"""
