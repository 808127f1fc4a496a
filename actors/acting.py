"""What a turn does between two answers of its model: it works off calls, and keeps what came of them.

Calls are kept before any of them is begun, and each result once it is there.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from greenroom.actors.channels.channel import Deltas, Inside, Kind, TextDelta
from greenroom.actors.copies import BETWEEN_STEPS
from greenroom.actors.entries import AssistantEntry, ToolCall, ToolEntry, TranscriptEntry
from greenroom.actors.failure import TurnFailed
from greenroom.actors.kit import Kit
from greenroom.actors.recording import Recording
from greenroom.actors.settings import Bounds
from greenroom.actors.stores.errands import Errand
from greenroom.actors.stores.records import SessionName
from greenroom.actors.telling import Telling
from greenroom.actors.tools.tool import InnerTool
from greenroom.actors.tools.toolbox import Toolbox
from greenroom.actors.tools.working import Workshop
from greenroom.actors.turn import Progress, TurnEvent, TurnRequest
from greenroom.runtime import StreamPort

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class Equipment(msgspec.Struct, frozen=True):
    """What a run works with: its agent's tools, hooks and bounds, and its session's journal.

    `keep` makes durable what the turn has done; it raises `StoreFailed` or `Fenced`. `ask_person` has a
    person asked whether a call of this turn may be made.
    """

    session: SessionName
    toolbox: Toolbox
    kit: Kit
    bounds: Bounds
    keep: Callable[[Sequence[TranscriptEntry]], Awaitable[None]]
    ask_person: Callable[[ToolCall], Awaitable[Errand]]


class Acting:
    """One turn's; what appends raise, `StoreFailed` and `Fenced`, all of its verbs raise."""

    __slots__ = ("_equipment", "_port", "_recording", "_telling", "_turn")

    def __init__(
        self,
        turn: TurnRequest,
        equipment: Equipment,
        recording: Recording,
        telling: Telling,
        port: StreamPort[TurnEvent] | None,
    ) -> None:
        self._turn = turn
        self._equipment = equipment
        self._recording = recording
        self._telling = telling
        self._port = port

    def inner(self, calls: Sequence[ToolCall]) -> list[ToolCall]:
        """Return those of an answer's calls that are worked off here."""
        return [call for call in calls if self._telling.is_inner(call.name)]

    async def open(self, log: "FilteringBoundLogger") -> None:
        """Make the calls that the turn begins with."""
        turn = self._turn
        if not turn.calls:
            return
        await self._keep_step(AssistantEntry(None, turn.calls))
        for result in turn.results:
            await self._keep_result(result)
        known = {result.call_id for result in turn.results}
        calls = [call for call in turn.calls if call.id not in known]
        tools = self._equipment.toolbox.tools()
        await self._workshop(log).work(calls, tools, self._keep_result, are_approved=True)

    async def act(
        self, said: AssistantEntry, tools: Mapping[str, InnerTool], log: "FilteringBoundLogger"
    ) -> None:
        """Work off those of an answer's calls that are ours."""
        inner = {call.id for call in self.inner(said.tool_calls)}
        calls = tuple(
            self._made_inner(call) if call.id in inner else call for call in said.tool_calls
        )
        text = said.text
        if self._equipment.kit.output is not None and len(inner) == len(calls):
            # Where only a form is an answer, what is said on the way to it is for nobody.
            self._telling.withdraw()
            text = None
        await self._keep_step(msgspec.structs.replace(said, tool_calls=calls, text=text))
        ours = [call for call in calls if call.inner]
        for call in ours:
            await self.tell_inside(
                "tool.started", id=call.id, name=call.name, arguments=call.arguments
            )
        await self._workshop(log).work(ours, tools, self._keep_result)

    async def tell(self, words: Deltas) -> None:
        """Have words of our own be part of the next answer, or of the one that ends with them."""
        self._recording.answer.take(words)
        await self._send(self._telling.told(words))

    async def tell_inside(self, kind: Kind, **data: str | float) -> None:
        """Tell clients that ask for it what happens beside the answer."""
        if self._recording.started is not None:
            await self._send((Inside(kind, msgspec.json.encode(data)),))

    async def release(self) -> None:
        """Tell what was withheld."""
        await self._send(self._telling.release())

    async def _send(self, told: Deltas) -> None:
        if told and self._port is not None:
            await self._port.send(Progress(told))
        self._recording.add(told)

    def _made_inner(self, call: ToolCall) -> ToolCall:
        """Return a call of ours, under an id that no other call of the turn has."""
        made = {
            before.id
            for step in self._recording.steps
            if isinstance(step, AssistantEntry)
            for before in step.tool_calls
        }
        id_, number = call.id, 1
        while id_ in made:
            number += 1
            id_ = f"{call.id}_{number}"
        return msgspec.structs.replace(call, id=id_, inner=True)

    def _workshop(self, log: "FilteringBoundLogger") -> Workshop:
        turn, equipment = self._turn, self._equipment
        return Workshop(
            equipment.session, turn.id, turn.chain, self._park, log, equipment.kit.hooks
        )

    async def _keep_step(self, step: AssistantEntry) -> None:
        await self._equipment.keep((step,))
        self._recording.step(step)

    async def _keep_result(self, result: ToolEntry) -> None:
        await self._equipment.keep((result,))
        self._recording.did(result)
        await self.tell_inside("tool.ended", id=result.call_id)

    async def _park(self, call: ToolCall) -> str:
        """Have a person asked about a call, and tell the client of it in words."""
        try:
            name = (await self._equipment.ask_person(call)).id
        except TurnFailed as failed:
            return f"Error: this needs a person's approval, which cannot be asked for: {failed}"
        await self.tell_inside("approval.needed", id=name, name=call.name, call=call.id)
        if self._equipment.kit.output is None:  # else a text beside the form would be in its way
            note = f"[Approval {name} is needed: {call.name} {call.arguments}]{BETWEEN_STEPS}"
            self._telling.pause()
            await self.tell((TextDelta(note),))
        return (
            f"This needs a person's approval, which was asked for as {name}. Nothing was done yet. You "
            "will be told once it is decided; until then tell the user that it waits."
        )
