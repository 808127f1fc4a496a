"""A house that is given one configuration after the other, and what its channels heard of it."""

from collections.abc import Sequence

import trio
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import Channel
from greenroom.actors.entries import SystemEntry
from greenroom.actors.failure import TurnFailed
from greenroom.actors.house import House, new_id
from greenroom.actors.selection import Wish
from greenroom.actors.settings import (
    AgentSettings,
    Cost,
    HouseSettings,
    ModelSettings,
    ProviderSettings,
    Retry,
    Secret,
    SessionLimits,
)
from greenroom.actors.stores.store import Store
from greenroom.actors.turn import TurnEvent, TurnRequest
from greenroom.runtime import System
from greenroom.runtime.testing import actors
from tests.actors.conftest import SLOW, Outcome, PlayedChannel, Step, user
from tests.stores import a_store

LOCAL = ProviderSettings(
    "local",
    "scripted",
    models=(ModelSettings("m", cost=Cost(output=1e6)),),
    retry=Retry(times=0),
)
MAIN = AgentSettings("main", "local/m", instructions="Old.")
FIRST = HouseSettings((MAIN,), "main", (LOCAL,), SessionLimits(idle=30.0))
NEW_LOCAL = replace(LOCAL, api_key=Secret("new"))


def having(
    *agents: AgentSettings, providers: Sequence[ProviderSettings] = (LOCAL,)
) -> HouseSettings:
    return replace(FIRST, agents=agents, providers=tuple(providers))


class Swapped:
    """A house whose channels are played, in the order in which their providers were started."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.house: House
        self.channels: list[PlayedChannel] = []
        self.keys: list[Secret | None] = []
        self.play: Sequence[Step] = SLOW
        self.broken = ""

    def connect(self, provider: ProviderSettings) -> Channel:
        if provider.id == self.broken:
            raise ZeroDivisionError
        self.keys.append(provider.api_key)
        self.channels.append(PlayedChannel(self.play))
        return self.channels[-1]

    async def open(self, settings: HouseSettings = FIRST, store: Store | None = None) -> "Swapped":
        kept = store or a_store()
        self.house = await House.open(
            self.system, settings, kept, self.connect, clock=trio.current_time
        )
        return self

    async def ask(
        self, text: str = "Hello.", *, session: str | None = "k", model: str = "openclaw:main"
    ) -> Outcome:
        selection = self.house.select(Wish(model, session_key=session))
        turn = TurnRequest(
            new_id(),
            selection.route,
            (user(text),),
            selection.fallbacks,
            ephemeral=selection.ephemeral,
            streamed=True,
            is_own=selection.is_own,
            appends=True,
        )
        events: list[TurnEvent] = []
        try:
            async with self.house.submit(selection, turn) as stream:
                async for event in stream:
                    events.append(event)  # noqa: PERF401 - those before a failure count, too
        except TurnFailed as failed:
            return Outcome(tuple(events), failed.failure)
        return Outcome(tuple(events), None)

    async def begin(
        self, nursery: trio.Nursery, text: str = "Hello.", **rest: str | None
    ) -> list[Outcome]:
        """Ask in a task; the outcome is there once it is."""
        outcomes: list[Outcome] = []

        async def wait() -> None:
            outcomes.append(await self.ask(text, **rest))  # type: ignore[arg-type]

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        return outcomes

    def told(self, channel: int, call: int = -1) -> list[str]:
        """The instructions of a prompt."""
        heard = self.channels[channel].heard(call)
        return [str(entry.content) for entry in heard if isinstance(entry, SystemEntry)]

    def names(self, what: str) -> list[str]:
        """The actors at the top whose names begin so."""
        paths = [ref.path.split("/") for ref in actors(self.system)]
        return [path[1] for path in paths if len(path) == 2 and path[1].startswith(what)]
