"""Servers of the Model Context Protocol as hosts of tools: one supervised actor a server.

Only `connection` and what it imports know the SDK, which takes a second and some 40 MB to import: that
happens when the first server is connected to, and never where there is none.
"""
