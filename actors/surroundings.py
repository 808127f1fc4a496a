"""What all sessions of a house have in common, and never change."""

from collections.abc import Callable

from greenroom.actors.run import Upstreams
from greenroom.actors.stores.store import Store


class Surroundings:
    """The models that answer, the store that remembers, and the time of day (Unix seconds)."""

    def __init__(self, upstreams: Upstreams, store: Store, clock: Callable[[], float]) -> None:
        self.upstreams = upstreams
        self.store = store
        self.clock = clock
