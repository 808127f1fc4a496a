"""What tests of errands share: a house of several agents whose models play what they are given."""

from collections.abc import Sequence

import trio

from greenroom.actors.channels.channel import Channel
from greenroom.actors.entries import Entry, TranscriptEntry
from greenroom.actors.house import House
from greenroom.actors.kit import Kit
from greenroom.actors.selection import Wish
from greenroom.actors.settings import AgentSettings, HouseSettings, ProviderSettings, Retry
from greenroom.actors.stores.records import SessionName
from greenroom.actors.stores.store import Store
from greenroom.actors.tools.tool import InnerTool
from greenroom.actors.turn import Sender, TurnRequest
from greenroom.runtime import System
from tests.actors.conftest import ANYBODY, Outcome, PlayedChannel, TheseTools
from tests.stores import a_store

MINE = SessionName("main", "k")


class Small:
    """A house; each agent has a provider of its own, of the same name."""

    def __init__(self, store: Store, channels: dict[str, PlayedChannel]) -> None:
        self.store = store
        self.channels = channels
        self.house: House
        self.turns = 0

    async def open(
        self,
        system: System,
        *agents: AgentSettings,
        tools: Sequence[InnerTool] = (),
    ) -> "Small":
        def connect(settings: ProviderSettings) -> Channel:
            return self.channels[settings.id]

        retry = Retry(times=0)
        kits = {agent.id: Kit((TheseTools(tools),)) for agent in agents}
        settings = HouseSettings(
            agents=agents,
            default_agent=agents[0].id,
            kits=kits,
            providers=tuple(ProviderSettings(a.id, "scripted", retry=retry) for a in agents),
        )
        self.house = await House.open(
            system, settings, self.store, connect, clock=trio.current_time
        )
        return self

    async def ask(
        self, *entries: Entry, session: SessionName = MINE, sender: Sender = ANYBODY
    ) -> str:
        """Have a whole turn, and return what its client sees."""
        self.turns += 1
        wish = Wish(f"agent:{session.agent}", session_key=session.key)
        selection = self.house.select(wish)
        turn = TurnRequest(f"t{self.turns}", selection.route, entries, streamed=True, sender=sender)
        async with self.house.submit(selection, turn) as events:
            return Outcome(tuple([event async for event in events]), None).text

    async def said(self, session: SessionName = MINE) -> Sequence[TranscriptEntry]:
        """All that is kept of a session, in order."""
        kept = await self.store.transcript(session, limit=1000)
        return [stored.entry for stored in kept]  # type: ignore[misc]


def a_house(store: Store | None = None, **channels: PlayedChannel) -> Small:
    return Small(store or a_store(), channels)


def an_agent(id_: str = "main", **settings: object) -> AgentSettings:
    return AgentSettings(id_, f"{id_}/m", **settings)  # type: ignore[arg-type]
