"""How the calls of one answer are worked off: all at once, each within its own bounds.

Whatever a tool does, its call has a result in the end: an error is one that the model is told. Only the
cancelling of the whole turn leaves calls without one.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec
import trio

from greenroom.actors.entries import ToolCall, ToolEntry
from greenroom.actors.stores.records import SessionName
from greenroom.actors.tools.tool import Call, InnerTool, ToolFailed

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

MOST_AT_ONCE = 16
"""Calls of one answer that run at the same time; the others wait for theirs."""
LONGEST_RESULT = 1_000_000
"""Characters of a result that are kept."""

Done = Callable[[ToolEntry], Awaitable[None]]
Park = Callable[[ToolCall], Awaitable[str]]
"""Has a person asked whether a call may be made; returns what the model is told meanwhile."""


class Hooks(Protocol):
    """Who looks on while tools are called; see `greenroom.actors.kit.Hooks`."""

    async def before_tool(self, name: str, call: Call) -> None: ...

    async def after_tool(self, name: str, call: Call, result: str) -> str: ...


class Workshop:
    """Works off calls for one turn of a session; `chain` is as `Call` has it."""

    def __init__(
        self,
        session: SessionName,
        turn: str,
        chain: tuple[str, ...],
        park: Park,
        log: "FilteringBoundLogger",
        hooks: Hooks | None = None,
    ) -> None:
        self._session = session
        self._turn = turn
        self._chain = chain
        self._park = park
        self._log = log
        self._hooks = hooks

    async def work(
        self,
        calls: Sequence[ToolCall],
        tools: Mapping[str, InnerTool],
        done: Done,
        *,
        are_approved: bool = False,
    ) -> None:
        """Work off all of `calls`, and give `done` each result once it is there."""
        room = trio.CapacityLimiter(MOST_AT_ONCE)

        async def one(call: ToolCall) -> None:
            tool = tools.get(call.name)
            if tool is not None and tool.needs_approval and not are_approved:
                text = await self._park(call)
            else:
                async with room:
                    text = await self._result(call, tool)
            await done(ToolEntry(call.id, text, inner=True))

        async with trio.open_nursery() as nursery:
            for call in calls:
                nursery.start_soon(one, call)

    async def _result(self, call: ToolCall, tool: InnerTool | None) -> str:
        if tool is None:
            return f"Error: there is no tool named {call.name!r}."
        arguments = (call.arguments.strip() or "{}").encode()
        if not _is_object(arguments):
            return "Error: the arguments are no JSON object."
        given = Call(self._session, self._turn, call.id, arguments, self._chain)
        log = self._log.bind(tool=call.name, call=call.id)
        with trio.move_on_after(tool.seconds):
            try:
                return shortened(await self._made(tool, given))
            except ToolFailed as failed:
                log.info("tool.failed", error=str(failed))
                return shortened(f"Error: {failed}")
            except Exception:
                # It is the tool's own, whatever it is: the turn goes on, and the log has all of it.
                log.exception("tool.crashed")
                return "Error: the tool failed."
        log.warning("tool.timed_out", seconds=tool.seconds)
        return f"Error: the tool took longer than {tool.seconds:g} s."

    async def _made(self, tool: InnerTool, call: Call) -> str:
        hooks = self._hooks
        if hooks is None:
            return await tool.work(call)
        await hooks.before_tool(tool.name, call)
        return await hooks.after_tool(tool.name, call, await tool.work(call))


def shortened(text: str) -> str:
    """Return a result that is no longer than one may be."""
    if len(text) <= LONGEST_RESULT:
        return text
    return (
        f"{text[:LONGEST_RESULT]}\n[… {len(text) - LONGEST_RESULT} characters are left out here …]"
    )


def _is_object(arguments: bytes) -> bool:
    try:
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
