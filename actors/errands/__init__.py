"""Errands: what sessions wait for becomes turns of theirs, whoever sleeps or crashes meanwhile."""
