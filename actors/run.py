"""The execution of one turn: call the model, pass on what it says, work off its calls, and so on.

A run never decides what becomes of its session: it ends with a result, and the session does the rest.
Until the first word of an answer it may ask again, or ask another model, as `attempts` says; after it
nothing is switched. Calls are kept before any of them is begun, and each result once it is there, so that
a crash leaves no doubt about which tools may have done something.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import trio

from greenroom.actors.attempts import Again, Attempts, GiveUp
from greenroom.actors.calling import Bill, Caller, Upstreams
from greenroom.actors.channels.channel import Deltas, FinishReason, TextDelta
from greenroom.actors.channels.upstream_errors import TOO_LONG
from greenroom.actors.closing import store_failure
from greenroom.actors.copies import BETWEEN_STEPS
from greenroom.actors.draft import Draft
from greenroom.actors.entries import (
    AssistantEntry,
    SummaryEntry,
    ToolCall,
    ToolEntry,
    TranscriptEntry,
)
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.recording import LEFT, Recording
from greenroom.actors.settings import Bounds
from greenroom.actors.stores.records import SessionName
from greenroom.actors.stores.store import Fenced, StoreFailed
from greenroom.actors.summing import sum_up
from greenroom.actors.telling import Telling
from greenroom.actors.tools.tool import InnerTool
from greenroom.actors.tools.toolbox import Toolbox
from greenroom.actors.tools.working import Workshop
from greenroom.actors.turn import Progress, Route, Served, TurnEvent, TurnRequest, TurnStarted
from greenroom.actors.window import Cut
from greenroom.runtime import Actor, Message, StreamPort

MAX_ANSWER = 16 * 1024 * 1024
"""Characters of text, thinking and arguments that one answer may have."""

_SHARE = 2 / 3
"""How much of the time for a first word one model may take while another is left to be asked."""


class Begin(Message, frozen=True):
    """Start the run."""


class SummedUp(msgspec.Struct, frozen=True):
    """What was summed up on the way: how many of the session's entries, and what stands for them."""

    entries: int
    summary: SummaryEntry


class Equipment(msgspec.Struct, frozen=True):
    """What a run works with: its session's tools, bounds, and journal.

    `keep` makes durable what the turn has done; it raises `StoreFailed` or `Fenced`. `ask_person` has a
    person asked whether a call of this turn may be made, and returns what that is called.
    """

    session: SessionName
    toolbox: Toolbox
    bounds: Bounds
    keep: Callable[[Sequence[TranscriptEntry]], Awaitable[None]]
    ask_person: Callable[[ToolCall], Awaitable[str]]


class RunResult(msgspec.Struct, frozen=True):
    """How a run ended: with a failure, or without one; what was said stands in its recording.

    `cost` is money, by the configuration's prices, None where there are none. `guessed` is how many
    tokens the prompt was thought to take.
    """

    failure: Failure | None = None
    cost: float | None = None
    guessed: int = 0
    summed_up: SummedUp | None = None


class Run(Actor[Begin]):
    """One turn's work; it stops by itself and leaves a `RunResult`.

    It tells what the model says to `port`, and waits for that reader; without one nobody makes it wait.
    """

    mailbox_size = 1

    def __init__(
        self,
        turn: TurnRequest,
        draft: Draft,
        upstreams: Upstreams,
        recording: Recording,
        port: StreamPort[TurnEvent] | None,
        equipment: Equipment,
        *,
        time_limit: float,
        ahead: int = 0,
    ) -> None:
        self._turn = turn
        self._attempts = Attempts(turn.route, turn.fallbacks, upstreams.random)
        self._equipment = equipment
        self._telling = Telling(turn.tools)
        self._has_begun = False
        self._draft = draft
        self._upstreams = upstreams
        self._recording = recording
        self._port = port
        self._time_limit = time_limit
        self._ahead = ahead
        self._bill = Bill()
        self._summed_up: SummedUp | None = None
        self._guessed = 0

    async def receive(self, message: Begin) -> None:
        recording = self._recording
        failure: Failure | None = LEFT
        with recording.scope:
            with trio.move_on_after(self._time_limit) as limit:
                try:
                    failure = await self._work(Caller(self._upstreams, self._bill, self.log))
                except (StoreFailed, Fenced) as error:
                    failure = store_failure(error).failure
            if limit.cancelled_caught:
                failure = Failure(
                    FailureKind.UPSTREAM_TIMEOUT,
                    f"The turn took longer than its limit of {self._time_limit:g} s.",
                )
        if recording.stopped is not None:
            failure = recording.stopped
        self.stop(RunResult(failure, self._bill.cost, self._guessed, self._summed_up))

    async def _work(self, caller: Caller) -> Failure | None:
        """Have the model answer until it calls no more tools of ours."""
        recording = self._recording
        answers = 0
        await self._open()
        while True:
            tools = self._equipment.toolbox.tools()
            if failure := self._equip(tools, first=not answers):
                return failure
            if failure := await self._answer(caller):
                return failure
            answers += 1
            said = recording.answer
            calls = said.entry().tool_calls
            if said.reason is not FinishReason.TOOL_CALLS or not self._inner(calls):
                return None
            if limit := self._limit(answers):
                await self._end_at(limit)
                return None
            await self._act(said.entry(), tools)
            if len(self._inner(calls)) < len(calls):
                recording.wait()
                return None

    async def _answer(self, caller: Caller) -> Failure | None:
        """Have the model answer once."""
        self._has_begun = False
        attempts = self._attempts = Attempts(
            self._turn.route, self._turn.fallbacks, self._upstreams.random
        )
        await self._shorten(self._draft.due(), caller, self._turn.route)
        deadline = trio.current_time() + self._upstreams.patience
        while True:
            route = attempts.begin()
            prompt = self._draft.prompt()
            self._guessed = self._draft.size()

            async def take(deltas: Deltas, route: Route = route) -> None:
                await self._take(deltas, route)

            left = deadline - trio.current_time()
            first_by = deadline - left * (1 - _SHARE) if attempts.has_others else deadline
            made = await caller.call(route, prompt, take, first_by=first_by)
            failure = made.failure
            if failure is None or self._has_begun:
                return failure
            if failure.code == TOO_LONG and self._summed_up is None:
                deadline += self._draft.shortening.seconds
                if await self._shorten(self._draft.forced(), caller, route):
                    continue
            step = attempts.failed(failure, made.retry)
            if isinstance(step, Again) and trio.current_time() + step.seconds >= deadline:
                step = GiveUp(failure)
            self.log.info(
                "run.attempt_failed",
                model=str(route),
                attempt=attempts.count,
                kind=failure.kind.value,
                code=failure.code,
                next=str(step.route) if isinstance(step, Again) else None,
            )
            match step:
                case GiveUp(final):
                    return final
                case Again(_, seconds):
                    await trio.sleep(seconds)

    # What the model says

    async def _take(self, deltas: Deltas, route: Route) -> None:
        recording = self._recording
        self._has_begun = True
        if recording.started is None:
            turn, served = self._turn, Served(route, self._attempts.count)
            event = TurnStarted(turn.id, served, turn.model, turn.created, self._ahead)
            recording.start(event)
            if self._port is not None:
                await self._port.send(event)
        answer = recording.answer
        if answer.size > MAX_ANSWER:
            what = f"The answer is longer than {MAX_ANSWER} characters."
            raise TurnFailed.of(FailureKind.UPSTREAM_ERROR, what)
        told = self._telling.told(deltas)
        if told and self._port is not None:
            await self._port.send(Progress(told))
        # What was said is what the client was sent, also where that was cut short.
        answer.take(deltas)
        recording.add(told)

    # What the model has done

    def _equip(self, tools: Mapping[str, InnerTool], *, first: bool) -> Failure | None:
        """Have the next prompt offer the tools that there are now; a client forces only the first."""
        turn, steps = self._turn, self._recording.steps
        if not tools and not steps:
            return None
        if clash := next((tool.name for tool in turn.tools if tool.name in tools), None):
            what = f"The agent has a tool named {clash!r} of its own; give yours another name."
            return Failure(FailureKind.INVALID_REQUEST, what, param="tools")
        choice = turn.tool_choice
        if not first and choice is not None and choice.mode != "none":
            choice = None
        offered = (*turn.tools, *(tool.shown() for tool in tools.values()))
        self._draft = self._draft.going_on(steps, offered, choice)
        self._telling.begin(tools.keys())
        return None

    def _inner(self, calls: Sequence[ToolCall]) -> list[ToolCall]:
        return [call for call in calls if self._telling.is_inner(call.name)]

    async def _open(self) -> None:
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
        await self._workshop().work(calls, tools, self._keep_result, are_approved=True)

    async def _act(self, said: AssistantEntry, tools: Mapping[str, InnerTool]) -> None:
        """Work off those of an answer's calls that are ours."""
        inner = {call.id for call in self._inner(said.tool_calls)}
        calls = tuple(
            msgspec.structs.replace(call, inner=call.id in inner) for call in said.tool_calls
        )
        await self._keep_step(msgspec.structs.replace(said, tool_calls=calls))
        ours = [call for call in calls if call.inner]
        await self._workshop().work(ours, tools, self._keep_result)

    def _workshop(self) -> Workshop:
        turn = self._turn
        return Workshop(self._equipment.session, turn.id, turn.chain, self._park, self.log)

    async def _keep_step(self, step: AssistantEntry) -> None:
        await self._equipment.keep((step,))
        self._recording.step(step)

    async def _keep_result(self, result: ToolEntry) -> None:
        await self._equipment.keep((result,))
        self._recording.did(result)

    async def _park(self, call: ToolCall) -> str:
        """Have a person asked about a call, and tell the client of it in words."""
        try:
            name = await self._equipment.ask_person(call)
        except TurnFailed as failed:
            return f"Error: this needs a person's approval, which cannot be asked for: {failed}"
        note = f"[Approval {name} is needed: {call.name} {call.arguments}]{BETWEEN_STEPS}"
        self._telling.pause()
        await self._tell((TextDelta(note),))
        return (
            f"This needs a person's approval, which was asked for as {name}. Nothing was done yet. You "
            "will be told once it is decided; until then tell the user that it waits."
        )

    def _limit(self, answers: int) -> str | None:
        """Return which of its bounds the turn has reached, if it has."""
        bounds, usage = self._equipment.bounds, self._recording.usage
        if answers >= bounds.steps:
            return f"{bounds.steps} steps"
        if bounds.tokens is not None and usage.prompt + usage.completion >= bounds.tokens:
            return f"{bounds.tokens} tokens"
        if bounds.cost is not None and (self._bill.cost or 0.0) >= bounds.cost:
            return f"{bounds.cost:g} of cost"
        return None

    async def _end_at(self, limit: str) -> None:
        """End the turn at a limit, and say so; the calls of its last answer are not made."""
        self.log.info("run.limited", limit=limit)
        recording = self._recording
        note = TextDelta(f"[This turn has ended at its limit of {limit}.]")
        before = bool(recording.answer.entry().text)
        recording.answer.end_early()
        await self._tell((TextDelta("\n\n"), note) if before else (note,))

    async def _tell(self, words: Deltas) -> None:
        """Have words of our own be part of the next answer, or of the one that ends with them."""
        told = self._telling.told(words)
        if self._port is not None:
            await self._port.send(Progress(told))
        self._recording.answer.take(words)
        self._recording.add(told)

    # What the model is not shown any more

    async def _shorten(self, cut: Cut | None, caller: Caller, route: Route) -> bool:
        """Sum up what is cut, or leave it out where that fails; return whether anything was cut."""
        if cut is None:
            return False
        draft = self._draft
        attempts = Attempts(route, self._turn.fallbacks, self._upstreams.random)
        text, why = await sum_up(draft.matter(cut), attempts, caller, draft.shortening.seconds)
        if text is None:
            self.log.warning("run.history_dropped", entries=cut.upto, why=why)
        else:
            self.log.info("run.history_summed_up", entries=cut.upto)
        if unpinned := draft.unpinned(cut):
            self.log.warning("run.unpinned", entries=unpinned)
        self._draft = draft.with_summary(cut, text)
        assert self._draft.summary is not None, "it was just made"  # noqa: S101 - an invariant
        self._summed_up = SummedUp(cut.upto, self._draft.summary)
        return True
