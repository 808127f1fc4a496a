"""What all sessions of a house have in common, and never replace."""

from collections.abc import Callable, Mapping

from greenroom.actors.at_work import AtWork
from greenroom.actors.calling import Upstreams
from greenroom.actors.errands.agenda import Agenda
from greenroom.actors.kit import NO_KIT, Kit
from greenroom.actors.stores.store import Store
from greenroom.actors.turn import Route


class Surroundings:
    """The models that answer, the store that remembers, and the time of day (Unix seconds).

    `windows` are the sizes of models, in tokens, as far as they are known. `kits` are what each
    agent has beside its settings, by its id; `agenda` is what its sessions wait for.
    """

    def __init__(
        self,
        upstreams: Upstreams,
        store: Store,
        clock: Callable[[], float],
        windows: Mapping[Route, int] | None = None,
        kits: Mapping[str, Kit] | None = None,
        agenda: Agenda | None = None,
    ) -> None:
        self.upstreams = upstreams
        self.store = store
        self.clock = clock
        self.windows = windows or {}
        self.at_work = AtWork()
        self.agenda = agenda or Agenda(store.errands, clock)
        self._kits = kits or {}

    def kit_of(self, agent: str) -> Kit:
        """Return what an agent has beside its settings."""
        return self._kits.get(agent, NO_KIT)
