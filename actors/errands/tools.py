"""The tools that an agent has of the house itself: to ask another agent, and to wake its own session."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from greenroom.actors.errands.agenda import Agenda
from greenroom.actors.errands.going import Place
from greenroom.actors.errands.words import Wake, said_by
from greenroom.actors.failure import TurnFailed
from greenroom.actors.settings import AgentSettings
from greenroom.actors.stores.errands import Reminder
from greenroom.actors.stores.records import SessionName, StoredTurn
from greenroom.actors.tools.functions import AnyTool, Functions, tool
from greenroom.actors.tools.tool import Call, ToolFailed, ToolHost

MOST_ASKING = 4
"""Agents that ask one another in a row."""

Seconds = Annotated[float, msgspec.Meta(gt=0, le=10 * 366 * 86_400)]


class Doors:
    """A `Place` that is there before the house is."""

    def __init__(self) -> None:
        self._place: Place | None = None

    def open(self, place: Place) -> None:
        """Have it lead there from now on."""
        self._place = place

    async def wake(
        self, session: SessionName, turn: str, wake: Wake, *, goes_on: bool = True
    ) -> None:
        """Do what the place does."""
        await self._inside.wake(session, turn, wake, goes_on=goes_on)

    async def ended(self, session: SessionName, turn: str) -> StoredTurn | None:
        """Do what the place does."""
        return await self._inside.ended(session, turn)

    @property
    def _inside(self) -> Place:
        assert self._place is not None, "agents run once the house is there"  # noqa: S101
        return self._place


def own_tools(
    agent: AgentSettings, agenda: Agenda, place: Place, clock: Callable[[], float]
) -> Sequence[ToolHost]:
    """Return where an agent has the house's own tools from, as its settings give it some."""
    tools: list[AnyTool] = []
    if agent.asks:
        tools.append(_asking(agent, agenda, place))
    if agent.reminds:
        tools += _reminding(agenda, clock)
    return (Functions(tools),) if tools else ()


def _asking(agent: AgentSettings, agenda: Agenda, place: Place) -> AnyTool:
    known = ", ".join(agent.asks)

    @tool(
        description=f"Ask another agent, and get its answer. The agents are: {known}. It knows nothing "
        "of this conversation but what you write. With wait=false you go on at once, and are told the "
        "answer later.",
        seconds=agent.ask_seconds,
    )
    async def ask_agent(agent_id: str, message: str, call: Call, wait: bool = True) -> str:
        chain = (*call.chain, call.session.agent)
        if agent_id not in agent.asks:
            raise ToolFailed(f"there is no agent {agent_id!r} to ask; there are: {known}")
        if agent_id in chain:
            raise ToolFailed(f"agent {agent_id!r} waits for this answer itself")
        if len(chain) >= MOST_ASKING:
            raise ToolFailed(
                f"{len(chain)} agents have asked one another already, which is the limit"
            )
        asked = SessionName(agent_id, f"agent:{agent_id}:subagent:{call.key}")
        try:
            if not wait:
                errand = await agenda.ask(call.session, asked, message, chain)
                return f"Asked, as {errand.id}. You will be told the answer."
            turn = f"{call.key}.asked"
            await place.wake(asked, turn, Wake(message, chain=chain), goes_on=False)
            ended = await place.ended(asked, turn)
        except TurnFailed as failed:
            raise ToolFailed(f"agent {agent_id!r} has not answered: {failed}") from None
        if ended is None:
            raise ToolFailed(f"agent {agent_id!r} has not answered")
        return said_by(ended)

    return ask_agent


def _reminding(agenda: Agenda, clock: Callable[[], float]) -> list[AnyTool]:
    @tool
    async def remind(
        text: str,
        call: Call,
        in_seconds: Seconds | None = None,
        at: datetime | None = None,
        cron: str | None = None,
    ) -> str:
        """Have yourself woken in this conversation later, and told a text.

        Give exactly one of in_seconds, at and cron.

        Args:
            text: What to tell you then.
            in_seconds: How many seconds from now.
            at: A time, as in 2030-01-31T07:00:00Z.
            cron: A schedule of five fields, in UTC, for again and again: 0 7 * * 1-5.
        """
        if sum(value is not None for value in (in_seconds, at, cron)) != 1:
            raise ToolFailed("give exactly one of in_seconds, at and cron")
        due = None if in_seconds is None else clock() + in_seconds
        if at is not None:
            due = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        try:
            errand = await agenda.remind(call.session, text, at=due, cron=cron)
        except TurnFailed as failed:
            raise ToolFailed(str(failed)) from None
        return f"Reminder {errand.id}, due {datetime.fromtimestamp(errand.due, UTC):%Y-%m-%d %H:%M:%SZ}"

    @tool
    async def reminders(call: Call) -> list[dict[str, str]]:
        """List the reminders of this conversation."""
        return [
            {
                "id": errand.id,
                "due": f"{datetime.fromtimestamp(errand.due, UTC):%Y-%m-%d %H:%M:%SZ}",
                "text": errand.business.text,
            }
            for errand in await agenda.list(call.session)
            if isinstance(errand.business, Reminder)
        ]

    @tool
    async def forget_reminder(id_: str, call: Call) -> str:
        """Have a reminder of this conversation never come."""
        try:
            errand = await agenda.get(id_)
            if errand.session != call.session or not isinstance(errand.business, Reminder):
                raise ToolFailed(f"there is no reminder {id_!r}")
            await agenda.call_off(id_)
        except TurnFailed as failed:
            raise ToolFailed(str(failed)) from None
        return "Forgotten."

    return [remind, reminders, forget_reminder]
