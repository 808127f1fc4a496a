"""What actors leave behind."""

import gc
from collections.abc import Generator
from contextlib import contextmanager

import trio


def count_of(kind: type) -> int:
    """How many of a kind there are that somebody knows."""
    gc.collect()
    return sum(type(thing) is kind for thing in gc.get_objects())


@contextmanager
def nothing_left() -> Generator[None, None, None]:
    """No task that was begun inside lives at the end, and no channel that somebody knows is open."""
    tasks_before = trio.lowlevel.current_statistics().tasks_living
    gc.freeze()  # what is older is not looked at
    try:
        yield
        gc.collect()
        for thing in gc.get_objects():
            if type(thing) is trio.MemoryReceiveChannel:
                assert not thing.statistics().open_receive_channels, "a channel is open"
    finally:
        gc.unfreeze()
    assert trio.lowlevel.current_statistics().tasks_living == tasks_before, "a task is left"
