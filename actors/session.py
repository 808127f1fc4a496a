"""One session: a transcript, one run at a time, and the turns that wait for theirs.

Whatever decides what a turn sees is decided here, when the session takes it up and never before: who is
first, whether a request is known already, what of a conversation is new. A turn is in the journal before
it runs, and its end is there before its client hears of it.
"""

from collections import deque
from collections.abc import Coroutine
from typing import assert_never

import msgspec

from greenroom.actors.channels.rate_limits import reached
from greenroom.actors.closing import end_of, ended_by, internal, outcome_of, store_failure
from greenroom.actors.draft import Draft, split
from greenroom.actors.entries import Prompt, SystemEntry
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.follower import Follow, Follower
from greenroom.actors.journal import CRASHED, Journal
from greenroom.actors.known import InsteadOf, Recent, Replay, is_same, recall
from greenroom.actors.lifetime import is_over
from greenroom.actors.recording import Recording, settle
from greenroom.actors.run import Begin, Run, RunResult, SummedUp
from greenroom.actors.settings import AgentSettings, SessionLimits
from greenroom.actors.stores.records import AcceptedTurn, Fork, SessionName
from greenroom.actors.stores.store import Fenced, StoreFailed
from greenroom.actors.surroundings import Surroundings
from greenroom.actors.transcript import Plan
from greenroom.actors.turn import OnBusy, Submit, TurnEnded, TurnEvent, TurnRequest
from greenroom.actors.window import Estimate
from greenroom.runtime import Actor, Ending, Finished, Message, Request, StreamPort

_RETRY_AFTER_S = 1.0


class RunEnded(Message, frozen=True):
    """The run of the current turn has ended."""

    ending: Ending


class ClientLeft(Message, frozen=True):
    """The first reader of this turn has left."""

    turn: str


class Cancel(Request[bool], frozen=True):
    """End the running turn and those that wait; answers whether there was one."""


class Reset(Request[None], frozen=True):
    """Begin the transcript anew. Refuses with `TurnFailed` (CONFLICT) while a turn runs."""


class Delete(Request[None], frozen=True):
    """Delete the session, with all that was said. Refuses (CONFLICT) while a turn runs."""


SessionMessage = Submit | RunEnded | ClientLeft | Cancel | Reset | Delete


class _Item(msgspec.Struct, frozen=True):
    """A turn that waits or runs; `ahead` is how many were before it when it came."""

    turn: TurnRequest
    port: StreamPort[TurnEvent]
    recording: Recording
    ahead: int
    instead_of: str | None


class _Running(msgspec.Struct, frozen=True):
    item: _Item
    accepted: AcceptedTurn
    plan: Plan


class Session(Actor[SessionMessage]):
    """The actor of one session; with `recent` it is one that passes, and has no store."""

    def __init__(
        self,
        key: str,
        agent: AgentSettings,
        limits: SessionLimits,
        surroundings: Surroundings,
        recent: Recent | None = None,
    ) -> None:
        self._key = key
        self._agent = agent
        self._limits = limits
        self._surroundings = surroundings
        self._recent = recent
        name = SessionName(agent.id, key)
        self._journal = Journal(name, surroundings.store if recent is None else None)
        self._waiting: deque[_Item] = deque()
        self._running: _Running | None = None
        self._rolls_back = False
        self._broken: Exception | None = None
        self._estimate = Estimate()

    # Its life

    async def on_start(self) -> None:
        try:
            await self._journal.open(self._surroundings.clock())
        except (StoreFailed, Fenced) as error:
            # Whoever asks is told; the next one after that finds a session that tries again.
            self._broken = error

    async def receive(self, message: SessionMessage) -> object:
        if self._broken is not None:
            self.stop()
            raise store_failure(self._broken)
        answer: object = None
        match message:
            case Submit(turn):
                await self._submit(message, turn)
            case RunEnded(ending):
                await self._close_turn(ending)
            case ClientLeft():
                self._drop_abandoned()
            case Cancel():
                answer = self._cancel()
            case Reset():
                await self._change(self._journal.reset(self._surroundings.clock()))
            case Delete():
                await self._change(self._journal.delete())
                self.stop()
            case _:
                assert_never(message)
        await self._advance()
        return answer

    async def on_stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            # Its readers were told when this actor began to end.
            running.item.recording.stop(CRASHED)
            await self._keep(running, CRASHED, None)

    # Turns that come

    async def _submit(self, message: Submit, turn: TurnRequest) -> None:
        instead_of: str | None = None
        try:
            match await self._known(turn):
                case Replay(recording):
                    await self._follow(message, turn, recording)
                    return
                case InsteadOf(other):
                    instead_of = other
                case None:
                    pass
        except StoreFailed as error:
            raise store_failure(error) from None
        self._make_room(turn)
        port = self.stream_port(message)
        recording = Recording(turn.sender.on_disconnect)
        recording.join(port)
        ahead = len(self._waiting) + (self._running is not None)
        self._waiting.append(_Item(turn, port, recording, ahead, instead_of))
        self.watch_consumer(port, lambda: ClientLeft(turn.id))

    async def _known(self, turn: TurnRequest) -> Replay | InsteadOf | None:
        sender = turn.sender
        if sender.idempotency is None and not sender.retry:
            return None
        running = () if self._running is None else (self._running.item,)
        for item in (*running, *self._waiting):
            if is_same(sender, item.turn.sender) and item.recording.stopped is None:
                return Replay(item.recording)
        now = self._surroundings.clock()
        if self._recent is not None:
            found = self._recent.find(sender.fingerprint, now) if sender.retry else None
            return None if found is None else Replay(found)
        stored = await self._journal.find(sender, now)
        return None if stored is None else recall(sender, stored)

    async def _follow(self, message: Submit, turn: TurnRequest, recording: Recording) -> None:
        port = self.stream_port(message)
        recording.join(port)
        follower = await self.spawn(Follower(recording, port), f"{turn.id}.follower")
        follower.tell(Follow())
        if self._recent is not None and self._running is None:
            self.watch(follower, RunEnded)

    def _make_room(self, turn: TurnRequest) -> None:
        """Do to the running turn what the new one asks for; refuse the new one where there is no room."""
        policy = turn.sender.on_busy
        running = self._running
        if policy is OnBusy.REJECT and (running is not None or self._waiting):
            raise TurnFailed.of(
                FailureKind.CONFLICT,
                f"Session '{self._key}' is busy with another turn.",
                code="session_busy",
            )
        if running is not None and len(self._waiting) >= self._limits.waiting_turns:
            raise TurnFailed.of(
                FailureKind.BUSY,
                f"Session '{self._key}' has {len(self._waiting)} turns waiting, which is its limit. "
                "Try again later.",
                code="session_queue_full",
                retry_after=_RETRY_AFTER_S,
                limits=reached(self._limits.waiting_turns, _RETRY_AFTER_S),
            )
        if running is not None and policy in (OnBusy.INTERRUPT, OnBusy.ROLLBACK):
            self._rolls_back = policy is OnBusy.ROLLBACK
            running.item.recording.stop(ended_by("a later request"))

    def _drop_abandoned(self) -> None:
        self._waiting = deque(item for item in self._waiting if not item.recording.abandoned)

    def _cancel(self) -> bool:
        why = ended_by("a request to cancel it")
        waiting, self._waiting = self._waiting, deque()
        for item in waiting:
            item.recording.end(why)
            settle(item.port, why)
        if self._running is not None:
            self._running.item.recording.stop(why)
        return bool(waiting) or self._running is not None

    async def _change(self, change: Coroutine[None, None, None]) -> None:
        """Change the whole transcript, which no turn may be busy with."""
        if self._running is not None:
            change.close()
            raise TurnFailed.of(
                FailureKind.CONFLICT,
                f"Session '{self._key}' is busy with a turn; cancel it first.",
                code="session_busy",
            )
        try:
            await change
        except (StoreFailed, Fenced) as error:
            self.stop()
            raise store_failure(error) from None

    # Turns that run

    async def _advance(self) -> None:
        """Take up turns until one runs or none waits."""
        while self._running is None and self._waiting:
            item = self._waiting.popleft()
            try:
                if item.recording.stopped is None:  # else its readers have left
                    await self._begin(item)
            except TurnFailed as refused:
                self._tell_end(item, refused.failure)
            except (StoreFailed, Fenced) as error:
                self._tell_end(item, store_failure(error).failure)
                self.stop()
                return
            if item.turn.ephemeral and self._running is None:
                self.stop()

    async def _begin(self, item: _Item) -> None:
        turn, journal, now = item.turn, self._journal, self._surroundings.clock()
        if journal.active is not None and is_over(self._limits.lifetime, journal.active, now):
            self.log.info("session.reset", idle_s=round(now - journal.active, 3))
            await journal.reset(now)
        fork: Fork | None = None
        asked = turn.sender.fork
        if asked is not None and journal.is_new and not turn.ephemeral:
            fork = await journal.fork(SessionName(self._agent.id, asked.key), asked.seq)
        instructions, sent = split(self._agent.instructions, turn.entries)
        plan = await journal.plan(sent, item.instead_of)
        accepted = await journal.accept(turn, plan, now, fork)
        run = Run(
            turn,
            self._draft(turn, instructions, plan),
            self._surroundings.upstreams,
            item.recording,
            item.port,
            time_limit=self._agent.time_limit,
            ahead=item.ahead,
        )
        ref = await self.spawn(run, turn.id)
        self.watch(ref, RunEnded)
        self._running = _Running(item, accepted, plan)
        ref.tell(Begin())

    def _draft(self, turn: TurnRequest, instructions: list[SystemEntry], plan: Plan) -> Draft:
        summary, old = self._journal.shown(plan)
        blank = Prompt(
            model=turn.route.model,
            entries=(),
            tools=turn.tools,
            tool_choice=turn.tool_choice,
            parallel_tool_calls=turn.parallel_tool_calls,
            sampling=turn.sampling,
            extra=turn.extra,
        )
        return Draft(
            blank,
            instructions,
            summary,
            old,
            plan.added,
            window=self._surroundings.windows.get(turn.route),
            estimate=self._estimate,
            shortening=self._agent.shortening,
        )

    async def _close_turn(self, ending: Ending) -> None:
        running, self._running = self._running, None
        if running is None:
            if self._recent is not None and not self._waiting:
                self.stop()  # it was there to tell an answer again
            return
        item = running.item
        failure: Failure | None = internal("The run crashed.")
        cost: float | None = None
        match ending:
            case Finished(value=RunResult(failure, cost, guessed, summed_up)):
                self._estimate.learn(guessed, item.recording.answer.usage.prompt)
                if summed_up is not None:
                    running = await self._compact(running, summed_up)
                if item.recording.answer.reason is not None:
                    failure = None  # it is whole, whatever came after it
                elif failure is None:
                    failure = internal("The model's answer has no end.")
            case _:
                pass
        outcome = await self._keep(running, failure, cost)
        self._tell_end(item, outcome)
        if item.turn.ephemeral:
            if self._recent is not None and isinstance(outcome, TurnEnded):
                now = self._surroundings.clock()
                self._recent.keep(item.turn.sender.fingerprint, item.recording, now)
            self.stop()

    async def _compact(self, running: _Running, summed_up: SummedUp) -> _Running:
        """Have the journal know what the run has summed up; a turn that fails keeps that, too."""
        turn, summary = running.item.turn.id, summed_up.summary
        try:
            plan = await self._journal.compact(turn, running.plan, summed_up.entries, summary)
        except (StoreFailed, Fenced) as error:
            self.log.warning("session.not_compacted", error=str(error))
            return running  # the next turn does it again, or finds what happened
        return msgspec.structs.replace(running, plan=plan)

    async def _keep(
        self, running: _Running, failure: Failure | None, cost: float | None
    ) -> TurnEnded | Failure:
        """Have the journal know how a turn ended, and return what its readers are to be told."""
        item, plan = running.item, running.plan
        rolls_back, self._rolls_back = self._rolls_back, False
        end = end_of(
            item.turn,
            plan.added,
            item.recording,
            failure,
            cost=cost,
            now=self._surroundings.clock(),
            keeps=not rolls_back,
        )
        try:
            cut = await self._journal.end(running.accepted, plan, end)
        except (StoreFailed, Fenced) as error:
            self.stop()  # what was written is for the next one to read
            return store_failure(error).failure
        if cut:
            # The client told another story from there on; see `Transcript.reconcile`.
            self.log.info("session.cut", turn=item.turn.id, entries=cut)
        return outcome_of(end, item.recording)

    def _tell_end(self, item: _Item, outcome: TurnEnded | Failure) -> None:
        item.recording.end(outcome)
        settle(item.port, outcome)
        if self._recent is not None:
            self._recent.ended(item.turn.sender.fingerprint, self._key)
