"""One session: a transcript, one run at a time, and the turns that wait for theirs.

Whatever decides what a turn sees is decided here, when the session takes it up and never before: who is
first, whether a request is known already, what of a conversation is new. A turn is in the journal before
it runs, and its end is there before its client hears of it.
"""

from collections import deque
from collections.abc import Coroutine
from typing import TypeVar, assert_never

import msgspec

from greenroom.actors.closing import (
    end_of,
    ended_by,
    internal,
    outcome_of,
    session_busy,
    stopping,
    store_failure,
)
from greenroom.actors.draft import Draft, split
from greenroom.actors.entries import Prompt, SystemEntry
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.follower import Follow, Follower
from greenroom.actors.journal import CRASHED, Journal, Planned
from greenroom.actors.known import (
    KEY_LASTS_S,
    Replay,
    Verdict,
    is_same,
    nothing_to_resume,
    recall,
    recall_unended,
)
from greenroom.actors.lifetime import is_over
from greenroom.actors.recent import FirstTries, Recent
from greenroom.actors.recording import Recording, settle
from greenroom.actors.run import Begin, Run, RunResult, SummedUp
from greenroom.actors.settings import AgentSettings, SessionLimits
from greenroom.actors.stores.store import (
    AcceptedTurn,
    Fenced,
    Fork,
    SessionName,
    StoreFailed,
    TurnEnd,
)
from greenroom.actors.surroundings import Surroundings
from greenroom.actors.turn import OnBusy, OnDisconnect, Submit, TurnEnded, TurnEvent, TurnRequest
from greenroom.actors.window import Estimate
from greenroom.runtime import (
    Actor,
    Ending,
    Finished,
    Message,
    NotAccepted,
    Ref,
    Request,
    StreamPort,
)

_C = TypeVar("_C", bound=Message)

_RETRY_AFTER_S = 1.0
_TRIES_TO_SUM_UP = 3
"""Turns in a row that could make no summary, after which what it was to be of is left out for good."""


class RunEnded(Message, frozen=True):
    """The run of the current turn has ended."""

    ending: Ending


class FollowerEnded(Message, frozen=True):
    """A reader that was told a recording is told no more."""


class ClientLeft(Message, frozen=True):
    """The first reader of this turn has left."""

    turn: str


class Cancel(Request[bool], frozen=True):
    """End the running turn and those that wait; answers whether there was one."""


class Reset(Request[None], frozen=True):
    """Begin the transcript anew. Refuses with `TurnFailed` (CONFLICT) while a turn runs."""


class Delete(Request[None], frozen=True):
    """Delete the session, with all that was said. Refuses (CONFLICT) while a turn runs."""


SessionMessage = Submit | RunEnded | FollowerEnded | ClientLeft | Cancel | Reset | Delete


class _Item(msgspec.Struct, frozen=True):
    """A turn that waits or runs; `ahead` is how many were before it when it came.

    Its run tells `port`, which is None where all its readers follow its recording.
    """

    turn: TurnRequest
    port: StreamPort[TurnEvent] | None
    recording: Recording
    ahead: int
    instead_of: str | None


class _Running(msgspec.Struct, frozen=True):
    item: _Item
    accepted: AcceptedTurn
    planned: Planned


class Session(Actor[SessionMessage]):
    """The actor of one session; with `recent` it is one that passes, and has no store."""

    def __init__(
        self,
        key: str,
        agent: AgentSettings,
        limits: SessionLimits,
        surroundings: Surroundings,
        first_tries: FirstTries,
        recent: Recent | None = None,
    ) -> None:
        self._key = key
        self._agent = agent
        self._limits = limits
        self._surroundings = surroundings
        self._first_tries = first_tries
        self._recent = recent
        name = SessionName(agent.id, key)
        self._journal = Journal(name, surroundings.store if recent is None else None)
        self._waiting: deque[_Item] = deque()
        self._running: _Running | None = None
        self._followers = 0
        self._not_summed_up = 0
        self._passes = False
        self._broken: Exception | None = None
        self._estimate = Estimate()

    # Its life

    async def on_start(self) -> None:
        try:
            await self._journal.open(self._now())
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
            case FollowerEnded():
                self._followers -= 1
            case ClientLeft():
                self._drop_abandoned()
            case Cancel():
                answer = self._cancel()
            case Reset():
                await self._change(self._journal.reset(self._now()))
            case Delete():
                await self._change(self._journal.delete())
                self._leave(stopping())
            case _:
                assert_never(message)
        await self._advance()
        return answer

    async def on_stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            # Its readers were told when this actor began to end.
            running.item.recording.stop(CRASHED)
            try:
                await self._end_turn(running, CRASHED, None)
            except (StoreFailed, Fenced) as error:
                # Whoever wakes the session finds the turn open, and closes it.
                self.log.warning(
                    "session.turn_left_open", turn=running.item.turn.id, error=str(error)
                )

    def _leave(self, why: TurnFailed) -> None:
        """Stop, and first tell those that wait why they do so in vain."""
        waiting, self._waiting = self._waiting, deque()
        for item in waiting:
            self._tell_end(item, why.failure)
        self.stop()

    # Turns that come

    async def _submit(self, message: Submit, turn: TurnRequest) -> None:
        sender = turn.sender
        self._passes = self._passes or turn.ephemeral or turn.once
        self._first_tries.note(self._key, sender, self._now())
        try:
            known = await self._known(turn)
        except StoreFailed as error:
            raise store_failure(error) from None
        if isinstance(known, Replay):
            await self._follow(self.stream_port(message), turn, known.recording)
            return
        if sender.resumes:
            raise nothing_to_resume()
        self._make_room(turn)
        recording = Recording(sender.on_disconnect)
        ahead = len(self._waiting) + (self._running is not None)
        port: StreamPort[TurnEvent] | None = None
        if sender.on_disconnect is OnDisconnect.CONTINUE:
            # Then no reader makes it wait, however slow, or dead without a word.
            await self._follow(self.stream_port(message), turn, recording)
        else:
            port = self.stream_port(message)
            recording.join(port)
            self.watch_consumer(port, lambda: ClientLeft(turn.id))
        instead_of = known.turn if known is not None else None
        self._waiting.append(_Item(turn, port, recording, ahead, instead_of))

    async def _known(self, turn: TurnRequest) -> Verdict:
        sender = turn.sender
        if sender.idempotency is None and not sender.retry:
            return None
        running = () if self._running is None else (self._running.item,)
        for item in (*running, *self._waiting):
            if is_same(sender, item.turn.sender):
                return recall_unended(item.turn.id, item.recording)
        now = self._now()
        if self._recent is not None:
            found = self._recent.find(sender.fingerprint, now) if sender.retry else None
            return None if found is None else Replay(found)
        since = self._first_tries.since(self._key, sender)
        stored = await self._journal.find(sender, now, since)
        return None if stored is None else recall(sender, stored)

    async def _follow(
        self, port: StreamPort[TurnEvent], turn: TurnRequest, recording: Recording
    ) -> None:
        recording.join(port)
        follower = await self._begin_child(Follower(recording, port), f"{turn.id}.follower")
        self.watch(follower, lambda _: FollowerEnded())
        self._followers += 1
        follower.tell(Follow())

    def _make_room(self, turn: TurnRequest) -> None:
        """Do to the running turn what the new one asks for; refuse the new one where there is no room."""
        policy = turn.sender.on_busy
        running = self._running
        if policy is OnBusy.REJECT and (running is not None or self._waiting):
            raise session_busy(f"Session '{self._key}' is busy with another turn.")
        if running is not None and len(self._waiting) >= self._limits.waiting_turns:
            raise TurnFailed.of(
                FailureKind.BUSY,
                f"Session '{self._key}' has {len(self._waiting)} turns waiting, which is its limit. "
                "Try again later.",
                code="session_queue_full",
                retry_after=_RETRY_AFTER_S,
            )
        if running is not None and policy in (OnBusy.INTERRUPT, OnBusy.ROLLBACK):
            keeps = policy is OnBusy.INTERRUPT
            running.item.recording.stop(ended_by("a later request"), keeps=keeps)

    def _drop_abandoned(self) -> None:
        self._waiting = deque(item for item in self._waiting if not item.recording.abandoned)

    def _cancel(self) -> bool:
        why = ended_by("a request to cancel it")
        waiting, self._waiting = self._waiting, deque()
        for item in waiting:
            self._tell_end(item, why)
        if self._running is not None:
            self._running.item.recording.stop(why)
        return bool(waiting) or self._running is not None

    async def _change(self, change: Coroutine[None, None, None]) -> None:
        """Change the whole transcript, which no turn may be busy with."""
        if self._running is not None:
            change.close()
            raise session_busy(f"Session '{self._key}' is busy with a turn; cancel it first.")
        try:
            await change
        except (StoreFailed, Fenced) as error:
            failed = store_failure(error)
            self._leave(failed)
            raise failed from None

    # Turns that run

    async def _advance(self) -> None:
        """Take up turns until one runs or none waits; a session that passes ends after its last."""
        while self._running is None and self._waiting and not self.is_stopping:
            item = self._waiting.popleft()
            try:
                if item.recording.stopped is None:  # else its readers have left
                    await self._begin(item)
            except TurnFailed as refused:
                self._tell_end(item, refused.failure)
            except (StoreFailed, Fenced) as error:
                failed = store_failure(error)
                self._tell_end(item, failed.failure)
                self._leave(failed)
        if self._passes and self._running is None and not self._followers:
            self.stop()

    async def _begin(self, item: _Item) -> None:
        turn, journal, now = item.turn, self._journal, self._now()
        await self._begin_anew(turn, now)
        fork: Fork | None = None
        asked = turn.sender.fork
        if asked is not None and journal.is_new and not turn.ephemeral:
            fork = await journal.fork(SessionName(self._agent.id, asked.key), asked.seq)
        instructions, sent = split(self._agent.instructions, turn.entries)
        planned = await journal.plan(sent, fork=fork, instead_of=item.instead_of)
        lasts = KEY_LASTS_S if turn.once else None
        accepted = await journal.accept(turn, planned, now, lasts=lasts)
        self._running = _Running(item, accepted, planned)
        run = Run(
            turn,
            self._draft(turn, instructions, planned),
            self._surroundings.upstreams,
            item.recording,
            item.port,
            time_limit=self._agent.time_limit,
            ahead=item.ahead,
        )
        ref = await self._begin_child(run, turn.id)
        self.watch(ref, RunEnded)
        ref.tell(Begin())

    async def _begin_anew(self, turn: TurnRequest, now: float) -> None:
        """Reset the session where its time is over, and no tool is under way."""
        journal = self._journal
        if journal.active is None:
            return
        if turn.once:
            await journal.reset(now)
        elif (
            is_over(self._limits.lifetime, journal.active, now) and not journal.past.has_open_calls
        ):
            self.log.info("session.reset", idle_s=round(now - journal.active, 3))
            await journal.reset(now)

    def _draft(self, turn: TurnRequest, instructions: list[SystemEntry], planned: Planned) -> Draft:
        summary, old = planned.past.shown(planned.plan)
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
            planned.plan.added,
            window=self._surroundings.windows.get(turn.route),
            estimate=self._estimate,
            shortening=self._agent.shortening,
        )

    async def _close_turn(self, ending: Ending) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        item = running.item
        result = RunResult(internal("The run crashed."))
        if isinstance(ending, Finished) and isinstance(ending.value, RunResult):
            result = ending.value
        self._estimate.learn(result.guessed, item.recording.answer.usage.prompt)
        try:
            end, stands = await self._end_turn(running, result.failure, result.cost)
        except (StoreFailed, Fenced) as error:
            # What was written is for the next one to read.
            failed = store_failure(error)
            self._tell_end(item, failed.failure)
            self._leave(failed)
            return
        outcome = outcome_of(end)
        self._tell_end(item, outcome)
        if self._recent is not None and isinstance(outcome, TurnEnded):
            self._recent.keep(item.turn.sender.fingerprint, item.recording, self._now())
        if result.summed_up is not None and stands:
            await self._compact(item.turn.id, result.summed_up)

    async def _end_turn(
        self, running: _Running, failure: Failure | None, cost: float | None
    ) -> tuple[TurnEnd, bool]:
        """Have the journal know how a turn ended; return that, and whether what it summed up stands.

        Raises:
            StoreFailed, Fenced.
        """
        item, planned = running.item, running.planned
        added = planned.plan.added
        end = end_of(item.turn, added, item.recording, failure, cost=cost, now=self._now())
        stands = bool(end.entries) or self._journal.past.keeps_summary(planned.plan)
        cut = await self._journal.end(planned.plan, end)
        if cut:
            # The client told another story from there on; see `Transcript.reconcile`.
            self.log.info("session.cut", turn=item.turn.id, entries=cut)
        return end, stands

    async def _compact(self, turn: str, summed_up: SummedUp) -> None:
        """Have the journal know what a run has summed up."""
        if summed_up.summary.text is None:
            self._not_summed_up += 1
            if self._not_summed_up < _TRIES_TO_SUM_UP:
                return  # the next turn tries it again
        self._not_summed_up = 0
        try:
            await self._journal.compact(turn, summed_up.entries, summed_up.summary)
        except (StoreFailed, Fenced) as error:
            self.log.warning("session.not_compacted", error=str(error))
            self._leave(store_failure(error))

    def _tell_end(self, item: _Item, outcome: TurnEnded | Failure) -> None:
        item.recording.end(outcome)
        if item.port is not None:
            settle(item.port, outcome)
        if self._recent is not None:
            self._recent.ended(item.turn.sender.fingerprint, self._key)

    async def _begin_child(self, child: Actor[_C], name: str) -> Ref[_C]:
        try:
            return await self.spawn(child, name)
        except NotAccepted:
            raise stopping() from None

    def _now(self) -> float:
        return self._surroundings.clock()
