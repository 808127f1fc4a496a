"""What all sessions of a house have in common, and never change."""

from collections.abc import Callable, Mapping, Sequence

from greenroom.actors.calling import Upstreams
from greenroom.actors.errands.agenda import Agenda
from greenroom.actors.stores.store import Store
from greenroom.actors.tools.tool import ToolHost
from greenroom.actors.turn import Route


class Surroundings:
    """The models that answer, the store that remembers, and the time of day (Unix seconds).

    `windows` are the sizes of models, in tokens, as far as they are known. `hosts` are where each agent's
    tools come from, by its id; `agenda` is what its sessions wait for.
    """

    def __init__(
        self,
        upstreams: Upstreams,
        store: Store,
        clock: Callable[[], float],
        windows: Mapping[Route, int] | None = None,
        hosts: Mapping[str, Sequence[ToolHost]] | None = None,
        agenda: Agenda | None = None,
    ) -> None:
        self.upstreams = upstreams
        self.store = store
        self.clock = clock
        self.windows = windows or {}
        self.agenda = agenda or Agenda(store.errands, clock)
        self._hosts = hosts or {}

    def hosts_of(self, agent: str) -> Sequence[ToolHost]:
        """Return where an agent's tools come from."""
        return self._hosts.get(agent, ())
