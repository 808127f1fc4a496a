"""What all sessions of a house have in common, and never replace."""

from collections.abc import Callable

from greenroom.actors.at_work import AtWork
from greenroom.actors.bulletin import Bulletin
from greenroom.actors.errands.agenda import Agenda
from greenroom.actors.stores.store import Store


class Surroundings:
    """The store that remembers, and the time of day (Unix seconds).

    `agenda` is what its sessions wait for, and `bulletin` tells what has happened to them.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float], agenda: Agenda | None = None
    ) -> None:
        self.store = store
        self.clock = clock
        self.at_work = AtWork()
        self.agenda = agenda or Agenda(store.errands, clock)
        self.bulletin = Bulletin(clock)
