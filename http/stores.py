"""Which store a configuration asks for."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.store import Store
from greenroom.http.config import Configuration

OpenStore = Callable[[Configuration], AbstractAsyncContextManager[Store]]
"""Returns a configuration's store, to be entered; it is closed on leaving."""


def store_of(configuration: Configuration) -> AbstractAsyncContextManager[SqliteStore]:
    """Return the store, to be entered: in its file, or in memory where there is none.

    Raises:
        CannotOpen: on entering; the file cannot be had.
    """
    if configuration.store is None:
        return SqliteStore.in_memory()
    return SqliteStore.open(configuration.store)
