"""One session: a transcript, one run at a time, and the turns that wait for theirs.

Whatever decides what a turn sees is decided here, when the session takes it up and never before: who is
first, whether a request is known already, what of a conversation is new. A turn is in the journal before
it runs, and its end is there before its client hears of it.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar, assert_never

from greenroom.actors.acting import Equipment
from greenroom.actors.changes import change
from greenroom.actors.closing import ended_by, internal, stopping, store_failure
from greenroom.actors.draft import Draft, blank_of, split
from greenroom.actors.entries import SystemEntry
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.follower import Follow, Follower
from greenroom.actors.journal import CRASHED, Journal, Planned
from greenroom.actors.known import Replay, nothing_to_resume
from greenroom.actors.ledger import Ledger
from greenroom.actors.line import Item, Line
from greenroom.actors.recent import FirstTries, Recent
from greenroom.actors.recording import LEFT, Recording, settle
from greenroom.actors.run import Begin, Run, RunResult
from greenroom.actors.session_messages import (
    Annotate,
    Append,
    Attach,
    Cancel,
    ClientLeft,
    Delete,
    Erase,
    FollowerEnded,
    Look,
    OfTheWhole,
    Reset,
    RunEnded,
    SessionMessage,
)
from greenroom.actors.stores.records import AcceptedTurn, SessionName
from greenroom.actors.stores.store import Fenced, StoreFailed
from greenroom.actors.surroundings import Surroundings
from greenroom.actors.terms import Terms
from greenroom.actors.turn import (
    ELSEWHERE,
    OnBusy,
    OnDisconnect,
    Submit,
    TurnAccepted,
    TurnEnded,
    TurnEvent,
    TurnRequest,
)
from greenroom.actors.window import Estimate
from greenroom.runtime import (
    Actor,
    Ending,
    Finished,
    Message,
    NotAccepted,
    Ref,
    StreamPort,
    Subscription,
)

_C = TypeVar("_C", bound=Message)


class Session(Actor[SessionMessage]):
    """The actor of one session; with `recent` it is one that passes, and has no store."""

    def __init__(
        self,
        key: str,
        terms: Callable[[], Terms],
        surroundings: Surroundings,
        first_tries: FirstTries,
        recent: Recent | None = None,
    ) -> None:
        self._key = key
        self._terms = terms
        self._surroundings = surroundings
        self._recent = recent
        name = SessionName(terms().agent.id, key)
        self._journal = Journal(name, surroundings, passes=recent is not None)
        self._line = Line(key)
        self._ledger = Ledger(self._journal, self._line, first_tries, recent)
        self._passes = False
        self._followers = 0
        self._attached = 0
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

    @property
    def cleans_up(self) -> bool:
        return self._line.running is not None or self._surroundings.at_work.has(self)

    async def on_stop(self) -> None:
        self._surroundings.at_work.note(self, 0)
        running, self._line.running = self._line.running, None
        if running is not None:
            # Its readers were told when this actor began to end.
            running.item.recording.stop(CRASHED)
            try:
                await self._ledger.end(running, CRASHED, None, self._now())
            except (StoreFailed, Fenced) as error:
                # Whoever wakes the session finds the turn open, and closes it.
                self.log.warning(
                    "session.turn_left_open", turn=running.item.turn.id, error=str(error)
                )

    def _leave(self, why: TurnFailed) -> None:
        """Stop, and first tell those that wait why they do so in vain."""
        for item in self._line.take_waiting():
            self._tell_end(item, why.failure)
        self.stop()

    # Turns that come

    async def _submit(self, message: Submit, turn: TurnRequest) -> None:
        sender = turn.sender
        self._passes = self._passes or turn.ephemeral or turn.once
        now = self._now()
        try:
            known = await self._ledger.known(turn, now)
        except StoreFailed as error:
            raise store_failure(error) from None
        if isinstance(known, Replay):
            await self._follow(message, turn.id, known.recording, announces=turn.announced)
            return
        if sender.resumes:
            raise nothing_to_resume()
        if known is None and not self._ledger.may_follow(turn):
            what = "The session has gone on from where this turn was to follow."
            raise TurnFailed.of(FailureKind.CONFLICT, what, code=ELSEWHERE)
        ahead = len(self._line)
        self._make_room(sender.on_busy)
        accepted = await self._accept_early(turn) if ahead and turn.is_kept_early else None
        recording = Recording(sender.on_disconnect)
        if ahead:
            recording.accept(TurnAccepted(turn.id, turn.model, turn.created, ahead))
        port = await self._join(message, turn, recording)
        instead_of = None if known is None else known.turn
        self._line.waiting.append(Item(turn, port, recording, ahead, instead_of, accepted))

    async def _join(
        self, message: Submit, turn: TurnRequest, recording: Recording
    ) -> StreamPort[TurnEvent] | None:
        """Have the first reader hear a turn; return where its run is to tell it, if there is a place."""
        if turn.sender.on_disconnect is OnDisconnect.CONTINUE:
            # Then no reader makes it wait, however slow, or dead without a word.
            await self._follow(message, turn.id, recording, announces=turn.announced)
            return None
        port = self.stream_port(message)
        recording.join(port)
        self.watch_consumer(port, partial(ClientLeft, turn.id))
        if turn.announced and recording.accepted is not None:
            port.send_nowait(recording.accepted)
        return port

    def _make_room(self, policy: OnBusy) -> None:
        """Do to the running turn what the new one asks for; raises `TurnFailed` if there is no room."""
        self._line.check_room(policy, self._terms().limits.waiting_turns)
        running = self._line.running
        if running is not None and policy in (OnBusy.INTERRUPT, OnBusy.ROLLBACK):
            keeps = policy is OnBusy.INTERRUPT
            running.item.recording.stop(ended_by("a later request"), keeps=keeps)

    async def _accept_early(self, turn: TurnRequest) -> AcceptedTurn:
        """Have the journal know a turn before it waits."""
        try:
            return await self._ledger.accept_early(turn, self._now())
        except (StoreFailed, Fenced) as error:
            failed = store_failure(error)
            if isinstance(error, Fenced):
                self._leave(failed)
            raise failed from None

    async def _attach(self, message: Attach, id_: str) -> None:
        item = self._line.find(id_)
        if item is None:
            what = f"No turn '{id_}' waits or runs in session '{self._key}'."
            raise TurnFailed.of(FailureKind.NOT_FOUND, what)
        self._attached += 1
        await self._follow(message, f"{id_}.{self._attached}", item.recording, announces=True)

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
        ref = self._begin_child(follower, f"{name}.follower")
        self.watch(ref, lambda _: FollowerEnded())
        self._followers += 1
        ref.tell(Follow())

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
            await change(self._journal, message, self._now())
        except (StoreFailed, Fenced) as error:
            failed = store_failure(error)
            self._leave(failed)
            raise failed from None
        if isinstance(message, Delete):
            self._leave(stopping())

    # Turns that run

    async def _advance(self) -> None:
        """Take up turns until one runs or none waits; a session that passes ends after its last."""
        line = self._line
        while line.running is None and line.waiting and not self.is_stopping:
            item = line.waiting.pop(0)
            try:
                if item.recording.stopped is None:
                    await self._begin(item)
                else:  # its readers have left
                    await self._end_unbegun(item, item.recording.stopped)
            except TurnFailed as refused:
                await self._end_unbegun(item, refused.failure)
            except (StoreFailed, Fenced) as error:
                failed = store_failure(error)
                self._tell_end(item, failed.failure)
                self._leave(failed)
        self._surroundings.at_work.note(self, len(line))
        if self._passes and line.running is None and not self._followers:
            self.stop()

    async def _begin(self, item: Item) -> None:
        turn, now = item.turn, self._now()
        idle = await self._ledger.begin_anew(turn, self._terms().limits.lifetime, now)
        if idle is not None:
            self.log.info("session.reset", idle_s=round(idle, 3))
        told, sent = split(turn.entries, turn.places)
        running = await self._ledger.begin(item, sent, now)
        self._line.running = running
        # From here to the run's start nothing is awaited: the turn has all of one configuration.
        terms = self._terms()
        turn, agent = terms.routed(turn), terms.agent
        if not item.ahead:
            item.announce()
        name, expires = self._journal.name, agent.approval_expires
        run = Run(
            turn,
            self._draft(turn, told, running.planned, terms),
            terms.upstreams,
            item.recording,
            item.port,
            Equipment(
                name,
                terms.toolbox,
                terms.kit,
                agent.bounds,
                partial(self._journal.step, turn.id),
                partial(self._surroundings.agenda.park, name, turn.id, expires),
            ),
            time_limit=agent.time_limit,
            ahead=item.ahead,
        )
        ref = self._begin_child(run, turn.id)
        terms.upstreams.hold()
        ref.on_end(terms.upstreams.let_go)  # however it ends, and its session with it
        self.watch(ref, RunEnded)
        ref.tell(Begin())

    def _draft(
        self, turn: TurnRequest, told: list[SystemEntry], planned: Planned, terms: Terms
    ) -> Draft:
        own = terms.agent.instructions
        summary, old = planned.past.shown(planned.plan)
        return Draft(
            blank_of(turn, terms.agent.sampling),
            told if own is None else [SystemEntry(own), *told],
            summary,
            old,
            planned.plan.added,
            window=terms.upstreams.windows.get(turn.route),
            estimate=self._estimate,
            shortening=terms.agent.shortening,
            whole=turn.whole,
        )

    async def _close_turn(self, ending: Ending) -> None:
        running, self._line.running = self._line.running, None
        if running is None:
            return
        item = running.item
        result = RunResult(internal("The run crashed."))
        if isinstance(ending, Finished) and isinstance(ending.value, RunResult):
            result = ending.value
        self._estimate.learn(result.guessed, item.recording.answer.usage.prompt)
        try:
            closed = await self._ledger.end(running, result.failure, result.cost, self._now())
        except (StoreFailed, Fenced) as error:
            # What was written is for the next one to read.
            failed = store_failure(error)
            self._tell_end(item, failed.failure)
            self._leave(failed)
            return
        if closed.cut:
            # The client told another story from there on; see `Transcript.reconcile`.
            self.log.info("session.cut", turn=item.turn.id, entries=closed.cut)
        self._tell_end(item, closed.outcome)
        if self._recent is not None and isinstance(closed.outcome, TurnEnded):
            self._recent.keep(item.turn.sender.fingerprint, item.recording, self._now())
        if result.summed_up is not None and closed.stands:
            try:
                await self._ledger.compact(item.turn.id, result.summed_up)
            except (StoreFailed, Fenced) as error:
                self.log.warning("session.not_compacted", error=str(error))
                self._leave(store_failure(error))

    async def _end_unbegun(self, item: Item, why: Failure) -> None:
        """End a turn that never ran: in the journal, if that has it, and for its readers."""
        try:
            await self._ledger.end_unbegun(item, why, self._now())
        except (StoreFailed, Fenced) as error:
            failed = store_failure(error)
            self._leave(failed)
            why = failed.failure
        self._tell_end(item, why)

    def _tell_end(self, item: Item, outcome: TurnEnded | Failure) -> None:
        item.recording.end(outcome)
        if item.port is not None:
            settle(item.port, outcome)
        if self._recent is not None:
            self._recent.ended(item.turn.sender.fingerprint, self._key)

    def _begin_child(self, child: Actor[_C], name: str) -> Ref[_C]:
        try:
            return self.spawn_soon(child, name)
        except NotAccepted:
            raise stopping() from None

    def _now(self) -> float:
        return self._surroundings.clock()
