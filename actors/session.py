"""One session: a transcript, one run at a time, and the turns that wait for theirs.

Whatever decides what a turn sees is decided here, when the session takes it up and never before: who is
first, whether a request is known already, what of a conversation is new. A turn is in the journal before
it runs, and its end is there before its client hears of it.
"""

from collections.abc import Callable
from typing import assert_never

import msgspec

from greenroom.actors.changes import change
from greenroom.actors.closing import end_of, ended_by, internal, outcome_of, store_failure
from greenroom.actors.draft import Draft, blank_of, split
from greenroom.actors.entries import SystemEntry
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.follower import Follow, Follower
from greenroom.actors.journal import CRASHED, Journal
from greenroom.actors.known import InsteadOf, Recent, Replay, recall
from greenroom.actors.lifetime import is_over
from greenroom.actors.line import Item, Line, Running
from greenroom.actors.recording import LEFT, Recording, settle
from greenroom.actors.run import Begin, Run, RunResult, SummedUp
from greenroom.actors.session_messages import (
    Annotate,
    Append,
    Attach,
    Cancel,
    ClientLeft,
    Delete,
    Erase,
    Look,
    OfTheWhole,
    Reset,
    RunEnded,
    SessionMessage,
)
from greenroom.actors.settings import AgentSettings, SessionLimits
from greenroom.actors.stores.store import (
    AcceptedTurn,
    Fenced,
    Fork,
    SessionName,
    StoreFailed,
)
from greenroom.actors.surroundings import Surroundings
from greenroom.actors.transcript import Plan
from greenroom.actors.turn import (
    ELSEWHERE,
    OnBusy,
    Submit,
    TurnAccepted,
    TurnEnded,
    TurnEvent,
    TurnRequest,
)
from greenroom.actors.window import Estimate
from greenroom.runtime import Actor, Ending, Finished, Subscription


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
        self._journal = Journal(name, surroundings.store, passes=recent is not None)
        self._line = Line(key, limits.waiting_turns)
        self._rolls_back = False
        self._attached = 0
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
                await self._drop(lambda item: item.recording.abandoned, LEFT)
            case Attach(id_):
                await self._attach(message, id_)
            case Look(id_):
                answer = self._line.look(id_)
            case Cancel(id_):
                answer = await self._cancel(id_)
            case Reset() | Delete() | Annotate() | Append() | Erase():
                await self._change(message)
            case _:
                assert_never(message)
        await self._advance()
        return answer

    async def on_stop(self) -> None:
        running, self._line.running = self._line.running, None
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
                    await self._follow(message, turn.id, recording, announces=turn.announced)
                    return
                case InsteadOf(other):
                    instead_of = other
                case None:
                    pass
        except StoreFailed as error:
            raise store_failure(error) from None
        if instead_of is None and not self._may_follow(turn):
            what = "The session has gone on from where this turn was to follow."
            raise TurnFailed.of(FailureKind.CONFLICT, what, code=ELSEWHERE)
        policy, running, ahead = turn.sender.on_busy, self._line.running, len(self._line)
        self._line.check_room(policy)
        if running is not None and policy in (OnBusy.INTERRUPT, OnBusy.ROLLBACK):
            self._rolls_back = policy is OnBusy.ROLLBACK
            running.item.recording.stop(ended_by("a later request"))
        accepted = await self._accept_early(turn) if ahead and turn.request is not None else None
        port = self.stream_port(message)
        recording = Recording(turn.sender.on_disconnect)
        recording.accepted = TurnAccepted(turn.id, turn.model, turn.created, ahead)
        recording.join(port)
        if turn.announced and ahead:
            port.send_nowait(recording.accepted)
        self._line.waiting.append(Item(turn, port, recording, ahead, instead_of, accepted))
        self.watch_consumer(port, lambda: ClientLeft(turn.id))

    def _may_follow(self, turn: TurnRequest) -> bool:
        if turn.follows is None:
            return True
        items = self._line.items()
        return items[-1].turn.id == turn.follows if items else self._journal.ends_with(turn.follows)

    async def _accept_early(self, turn: TurnRequest) -> AcceptedTurn:
        """Have the journal know a turn before it waits; what it adds is known when it begins."""
        plan = Plan(len(self._journal.transcript), ())
        try:
            return await self._journal.accept(turn, plan, self._surroundings.clock())
        except (StoreFailed, Fenced) as error:
            if isinstance(error, Fenced):
                self.stop()
            raise store_failure(error) from None

    async def _known(self, turn: TurnRequest) -> Replay | InsteadOf | None:
        sender = turn.sender
        if sender.idempotency is None and not sender.retry:
            return None
        told = self._line.known(sender)
        if told is not None:
            return Replay(told)
        now = self._surroundings.clock()
        if self._recent is not None:
            found = self._recent.find(sender.fingerprint, now) if sender.retry else None
            return None if found is None else Replay(found)
        stored = await self._journal.find(sender, now)
        return None if stored is None else recall(sender, stored)

    async def _attach(self, message: Attach, id_: str) -> None:
        item = self._line.find(id_)
        if item is None:
            what = f"No turn '{id_}' waits or runs in session '{self._key}'."
            raise TurnFailed.of(FailureKind.NOT_FOUND, what)
        self._attached += 1
        name = f"{id_}.{self._attached}"
        await self._follow(message, name, item.recording, announces=True)

    async def _follow(
        self,
        message: Subscription[TurnEvent],
        name: str,
        recording: Recording,
        *,
        announces: bool,
    ) -> None:
        port = self.stream_port(message)
        recording.join(port)
        follower = Follower(recording, port, announces=announces)
        ref = await self.spawn(follower, f"{name}.follower")
        ref.tell(Follow())
        if self._recent is not None and self._line.running is None:
            self.watch(ref, RunEnded)

    async def _drop(self, is_meant: Callable[[Item], bool], why: Failure) -> bool:
        """End those of the waiting turns that are meant; return whether there was one."""
        dropped = self._line.drop(is_meant, why)
        for item in dropped:
            await self._end_unbegun(item, why)
        return bool(dropped)

    async def _cancel(self, id_: str | None) -> bool:
        why = ended_by("a request to cancel it")
        dropped = await self._drop(lambda item: id_ in (None, item.turn.id), why)
        running = self._line.running
        if running is None or id_ not in (None, running.item.turn.id):
            return dropped
        running.item.recording.stop(why)
        return True

    async def _change(self, message: OfTheWhole) -> None:
        """Change the whole session, which no turn may be busy with."""
        if self._line.running is not None:
            raise self._line.busy("a turn; cancel it first.")
        try:
            await change(self._journal, message, self._surroundings.clock())
        except (StoreFailed, Fenced) as error:
            self.stop()
            raise store_failure(error) from None
        if isinstance(message, Delete):
            self.stop()

    # Turns that run

    async def _advance(self) -> None:
        """Take up turns until one runs or none waits."""
        line = self._line
        while line.running is None and line.waiting:
            item = line.waiting.popleft()
            try:
                if item.recording.stopped is None:
                    await self._begin(item)
                else:  # its readers have left
                    await self._end_unbegun(item, item.recording.stopped)
            except TurnFailed as refused:
                await self._end_unbegun(item, refused.failure)
            except (StoreFailed, Fenced) as error:
                self._tell_end(item, store_failure(error).failure)
                self.stop()
                return
            if item.turn.ephemeral and line.running is None:
                self.stop()

    async def _begin(self, item: Item) -> None:
        turn, journal, now = item.turn, self._journal, self._surroundings.clock()
        since = None if turn.appends else journal.active
        if since is not None and is_over(self._limits.lifetime, since, now):
            self.log.info("session.reset", idle_s=round(now - since, 3))
            await journal.reset(now)
        fork: Fork | None = None
        asked = turn.sender.fork
        if asked is not None and journal.is_new:
            source = SessionName(self._agent.id, asked.key)
            fork = await journal.fork(source, asked.seq, as_it_stood=asked.as_it_stood)
        instructions, sent = split(self._agent.instructions, turn.entries, turn.places)
        plan = await journal.plan(sent, item.instead_of, appends=turn.appends)
        accepted = item.accepted or await journal.accept(turn, plan, now, fork)
        if turn.announced and not item.ahead and item.recording.accepted is not None:
            item.port.send_nowait(item.recording.accepted)
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
        self._line.running = Running(item, accepted, plan)
        ref.tell(Begin())

    def _draft(self, turn: TurnRequest, instructions: list[SystemEntry], plan: Plan) -> Draft:
        summary, old = self._journal.shown(plan)
        return Draft(
            blank_of(turn),
            instructions,
            summary,
            old,
            plan.added,
            window=self._surroundings.windows.get(turn.route),
            estimate=self._estimate,
            shortening=self._agent.shortening,
            whole=turn.whole,
        )

    async def _close_turn(self, ending: Ending) -> None:
        running, self._line.running = self._line.running, None
        if running is None:
            if self._recent is not None and not self._line.waiting:
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

    async def _compact(self, running: Running, summed_up: SummedUp) -> Running:
        """Have the journal know what the run has summed up; a turn that fails keeps that, too."""
        turn, summary = running.item.turn.id, summed_up.summary
        try:
            plan = await self._journal.compact(turn, running.plan, summed_up.entries, summary)
        except (StoreFailed, Fenced) as error:
            self.log.warning("session.not_compacted", error=str(error))
            return running  # the next turn does it again, or finds what happened
        return msgspec.structs.replace(running, plan=plan)

    async def _keep(
        self, running: Running, failure: Failure | None, cost: float | None
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
        return outcome_of(end)

    async def _end_unbegun(self, item: Item, why: Failure) -> None:
        """End a turn that never ran: in the journal, if that has it, and for its readers."""
        if item.accepted is not None:
            plan = Plan(len(self._journal.transcript), ())
            now = self._surroundings.clock()
            end = end_of(item.turn, (), item.recording, why, cost=None, now=now)
            try:
                await self._journal.end(item.accepted, plan, end)
            except (StoreFailed, Fenced) as error:
                self.stop()
                why = store_failure(error).failure
        self._tell_end(item, why)

    def _tell_end(self, item: Item, outcome: TurnEnded | Failure) -> None:
        item.recording.end(outcome)
        settle(item.port, outcome)
        if self._recent is not None:
            self._recent.ended(item.turn.sender.fingerprint, self._key)
