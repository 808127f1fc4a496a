"""Which store a configuration asks for."""

from contextlib import AbstractAsyncContextManager

from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.http.config import Configuration


def store_of(configuration: Configuration) -> AbstractAsyncContextManager[SqliteStore]:
    """Return the store, to be entered: in its file, or in memory where there is none.

    Raises:
        CannotOpen: on entering; the file cannot be had.
    """
    if configuration.store is None:
        return SqliteStore.in_memory()
    return SqliteStore.open(configuration.store)
