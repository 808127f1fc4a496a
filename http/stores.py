"""Which store a configuration asks for, and waiting for it where another process still has it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import trio

from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.store import InUse, Store
from greenroom.http.config import Configuration

OpenStore = Callable[[Configuration], AbstractAsyncContextManager[Store]]
"""Returns a configuration's store, to be entered; it is closed on leaving."""

_LOOK_S = 0.05


def store_of(configuration: Configuration) -> AbstractAsyncContextManager[SqliteStore]:
    """Return the store, to be entered: in its file, or in memory where there is none.

    Raises:
        CannotOpen: on entering; the file cannot be had.
    """
    if configuration.store is None:
        return SqliteStore.in_memory()
    return SqliteStore.open(configuration.store)


async def enter_store(
    stack: AsyncExitStack,
    open_it: Callable[[], AbstractAsyncContextManager[Store]],
    patience: float,
    waiting: Callable[[], None],
) -> Store:
    """Enter a store; where another process has it, call `waiting` and wait up to `patience` seconds.

    Raises:
        CannotOpen: the file cannot be had, or not in time.
    """
    deadline = trio.current_time() + patience
    told = False
    while True:
        try:
            return await stack.enter_async_context(open_it())
        except InUse:
            if trio.current_time() >= deadline:
                raise
        if not told:
            waiting()
            told = True
        await trio.sleep(_LOOK_S)
