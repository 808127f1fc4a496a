"""The execution of one turn: call the model, pass on what it says, work off its calls, and so on.

A run never decides what becomes of its session: it ends with a result, and the session does the rest.
Until the first word of an answer it may ask again, or ask another model, as `attempts` says; after it
nothing is switched. Calls are kept before any of them is begun, and each result once it is there, so that
a crash leaves no doubt about which tools may have done something.
"""

from collections.abc import Mapping
from functools import partial

import msgspec
import trio

from greenroom.actors.acting import Acting, Equipment
from greenroom.actors.answer import Answer
from greenroom.actors.attempts import Again, Attempts, GiveUp
from greenroom.actors.calling import Bill, Caller, Upstreams
from greenroom.actors.channels.channel import Deltas, FinishReason, Notes, TextDelta
from greenroom.actors.channels.upstream_errors import TOO_LONG
from greenroom.actors.closing import store_failure
from greenroom.actors.draft import Draft
from greenroom.actors.entries import (
    AssistantEntry,
    Prompt,
    SummaryEntry,
    TranscriptEntry,
    UserEntry,
)
from greenroom.actors.failure import FORMLESS, Failure, FailureKind, TurnFailed
from greenroom.actors.output import MOST_REPAIRS, repair, response_format
from greenroom.actors.recording import Recording
from greenroom.actors.stores.store import Fenced, StoreFailed
from greenroom.actors.summing import sum_up
from greenroom.actors.telling import Telling
from greenroom.actors.tools.tool import InnerTool
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
    is_leaf = True

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
        self._telling = Telling(turn.tools, withholds=equipment.kit.output is not None)
        self._acting = Acting(turn, equipment, recording, self._telling, port)
        self._repairs: list[TranscriptEntry] = []
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
        self._called = 0.0
        self._limits: dict[str, str] = {}

    async def receive(self, message: Begin) -> None:
        recording = self._recording
        failure: Failure | None = None
        recording.scope.deadline = trio.current_time() + self._time_limit
        with recording.scope:
            try:
                failure = await self._work(Caller(self._upstreams, self._bill, self))
                if failure is None:
                    recording.whole = recording.answer.reason is not None
                    await self._acting.release()
            except (StoreFailed, Fenced) as error:
                failure = store_failure(error).failure
        if recording.stopped is not None:
            failure = recording.stopped
        elif recording.scope.cancelled_caught:
            failure = Failure(
                FailureKind.UPSTREAM_TIMEOUT,
                f"The turn took longer than its limit of {self._time_limit:g} s.",
            )
        self.stop(RunResult(failure, self._bill.cost, self._guessed, self._summed_up))

    async def _work(self, caller: Caller) -> Failure | None:
        """Have the model answer until it calls no more tools of ours."""
        recording = self._recording
        answers = 0
        await self._acting.open(self.log)
        while True:
            tools = self._equipment.toolbox.tools()
            if failure := self._equip(tools, first=not answers):
                return failure
            if failure := await self._answer(caller):
                return failure
            answers += 1
            said = recording.answer.entry()
            is_calling = recording.answer.reason is FinishReason.TOOL_CALLS
            if not is_calling or not self._acting.inner(said.tool_calls):
                if await self._has_its_form(said):
                    return None
                if len(self._repairs) > 2 * MOST_REPAIRS:
                    return _formless(self._turn.route)
                continue
            if limit := self._limit(answers):
                return await self._end_at(limit)
            await self._acting.act(said, tools, self.log)
            if len(self._acting.inner(said.tool_calls)) < len(said.tool_calls):
                recording.wait()
                return None

    async def _answer(self, caller: Caller) -> Failure | None:
        """Have the model answer once."""
        self._has_begun = False
        attempts = self._attempts = Attempts(
            self._turn.route, self._turn.fallbacks, self._upstreams.random
        )
        hooks, was_forced = self._equipment.kit.hooks, False
        await self._shorten(self._draft.due(), caller, self._turn.route)
        self._called = trio.current_time()
        deadline = self._called + self._upstreams.patience
        while True:
            route = attempts.begin()
            prompt = await self._prompt()
            self._guessed = self._draft.size()
            left = deadline - trio.current_time()
            first_by = deadline - left * (1 - _SHARE) if attempts.has_others else deadline
            take = partial(self._take, route)
            made = await caller.call(route, prompt, take, first_by=first_by, hear=self._hear)
            self._recording.answered = trio.current_time()
            failure = made.failure
            if failure is None and hooks is not None:
                await hooks.after_model(self._recording.answer.entry())
            if failure is None or self._has_begun:
                return failure
            if failure.code == TOO_LONG and not was_forced:
                was_forced = True
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
                case Again(following, seconds):
                    await self._acting.tell_inside(
                        "model.retried", model=str(following), after_s=seconds, why=failure.message
                    )
                    await trio.sleep(seconds)

    async def _prompt(self) -> Prompt:
        """Return what the model is shown now."""
        kit, prompt = self._equipment.kit, self._draft.prompt()
        if kit.output is not None:
            extra = {**prompt.extra, "response_format": response_format(kit.output)}
            prompt = msgspec.structs.replace(prompt, extra=extra)
        return prompt if kit.hooks is None else await kit.hooks.before_model(prompt)

    # What the model says

    def _hear(self, notes: Notes) -> None:
        self._limits = notes.limits

    async def _take(self, route: Route, deltas: Deltas) -> None:
        recording = self._recording
        self._has_begun = True
        if recording.started is None:
            turn, served = self._turn, Served(route, self._attempts.count)
            event = TurnStarted(
                turn.id,
                served,
                turn.model,
                turn.created,
                self._ahead,
                self._limits,
                self._called,
            )
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
        if answer.reason is not None and self._is_last(answer):
            recording.whole = True
        recording.add(told)

    def _is_last(self, answer: Answer) -> bool:
        """Say whether nothing follows an answer that has ended, whatever it says."""
        kit = self._equipment.kit
        if kit.output is not None or kit.hooks is not None:
            return False
        calls = answer.entry().tool_calls if answer.reason is FinishReason.TOOL_CALLS else ()
        return not self._acting.inner(calls)

    # What the model has done

    def _equip(self, tools: Mapping[str, InnerTool], *, first: bool) -> Failure | None:
        """Have the next prompt offer the tools that there are now; a client forces only the first."""
        turn, steps = self._turn, self._recording.steps
        if not tools and not steps and not self._repairs:
            return None
        if clash := next((tool.name for tool in turn.tools if tool.name in tools), None):
            what = f"The agent has a tool named {clash!r} of its own; give yours another name."
            return Failure(FailureKind.INVALID_REQUEST, what, param="tools")
        if tools and turn.sampling.choices > 1:
            what = (
                "`n` must be 1: this agent has tools of its own, and goes on with what they find."
            )
            return Failure(FailureKind.INVALID_REQUEST, what, param="n")
        choice = turn.tool_choice
        if not first and choice is not None and choice.mode != "none":
            choice = None
        offered = (*turn.tools, *(tool.shown() for tool in tools.values()))
        self._draft = self._draft.going_on((*steps, *self._repairs), offered, choice)
        self._telling.begin(tools.keys())
        return None

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

    async def _end_at(self, limit: str) -> Failure | None:
        """End the turn at a limit, and say so; the calls of its last answer are not made."""
        self.log.info("run.limited", limit=limit)
        if self._equipment.kit.output is not None:
            what = f"This turn has reached its limit of {limit} without an answer of its form."
            return Failure(FailureKind.UPSTREAM_ERROR, what, code=FORMLESS)
        recording = self._recording
        note = TextDelta(f"[This turn has ended at its limit of {limit}.]")
        before = bool(recording.answer.entry().text)
        recording.answer.end_early()
        await self._acting.tell((TextDelta("\n\n"), note) if before else (note,))
        return None

    async def _has_its_form(self, said: AssistantEntry) -> bool:
        """Say whether an answer is one; if it has not its form, have the model told so."""
        output, recording = self._equipment.kit.output, self._recording
        if output is None or said.tool_calls:
            return True
        if recording.answer.reason is FinishReason.CONTENT_FILTER:
            return True
        problem = output.problem(said.text or "")
        if problem is None:
            return True
        self.log.info("run.formless", problem=problem)
        self._repairs += (said, UserEntry(repair(problem)))
        self._telling.withdraw()
        recording.discard()
        return False

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
        before = 0 if self._summed_up is None else self._summed_up.entries
        self._summed_up = SummedUp(before + cut.upto, self._draft.summary)
        await self._acting.tell_inside("history.shortened", entries=cut.upto)
        return True


def _formless(route: Route) -> Failure:
    return Failure(
        FailureKind.UPSTREAM_ERROR,
        f"'{route}' did not give an answer of the form that is needed, asked {MOST_REPAIRS + 1} times.",
        code=FORMLESS,
    )
