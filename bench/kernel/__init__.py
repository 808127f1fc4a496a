"""The actor kernel, beside bare memory channels and beside other actor libraries.

Every sample is taken in a process of its own (`sample`); `run` starts them in rounds, `table` makes
rows of what they say. docs/benchmarks.md says what each measure does with each contender.
"""
