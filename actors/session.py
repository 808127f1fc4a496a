"""One session: a transcript, one run at a time, and the turns that wait for theirs.

Whatever decides what a turn sees is decided here, when the session takes it up and never before. A
turn changes the transcript once, at its end, and the client hears of that end afterwards.
"""

from collections import deque
from typing import assert_never

import msgspec

from greenroom.actors.answer import Answer
from greenroom.actors.attempts import Attempts
from greenroom.actors.entries import Entry, Prompt, SystemEntry
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.run import Begin, Run, RunResult, Upstreams
from greenroom.actors.settings import AgentSettings, SessionLimits
from greenroom.actors.transcript import Plan, Sent, Transcript
from greenroom.actors.turn import Submit, TurnEnded, TurnEvent, TurnRequest
from greenroom.runtime import Actor, Ending, Finished, Message, StreamPort


class RunEnded(Message, frozen=True):
    """The run of the current turn has ended."""

    ending: Ending


class ClientLeft(Message, frozen=True):
    """Nobody reads the stream of this turn any more."""

    turn: str


SessionMessage = Submit | RunEnded | ClientLeft


class _Waiting(msgspec.Struct, frozen=True):
    turn: TurnRequest
    port: StreamPort[TurnEvent]


class _Running(msgspec.Struct, frozen=True):
    turn: TurnRequest
    port: StreamPort[TurnEvent]
    plan: Plan


class Session(Actor[SessionMessage]):
    """The actor of one session key."""

    def __init__(
        self, key: str, agent: AgentSettings, limits: SessionLimits, upstreams: Upstreams
    ) -> None:
        self._key = key
        self._agent = agent
        self._limits = limits
        self._upstreams = upstreams
        self._transcript = Transcript()
        self._waiting: deque[_Waiting] = deque()
        self._running: _Running | None = None

    async def receive(self, message: SessionMessage) -> None:
        match message:
            case Submit(turn):
                self._enqueue(message, turn)
            case RunEnded(ending):
                self._close_turn(ending)
            case ClientLeft(turn):
                self._waiting = deque(item for item in self._waiting if item.turn.id != turn)
            case _:
                assert_never(message)
        await self._advance()

    def _enqueue(self, message: Submit, turn: TurnRequest) -> None:
        if self._running is not None and len(self._waiting) >= self._limits.waiting_turns:
            raise TurnFailed.of(
                FailureKind.BUSY,
                f"Session '{self._key}' has {len(self._waiting)} turns waiting, which is its limit. "
                "Try again later.",
                code="session_queue_full",
                retry_after=1.0,
            )
        port = self.stream_port(message)
        self._waiting.append(_Waiting(turn, port))
        self.watch_consumer(port, lambda: ClientLeft(turn.id))

    async def _advance(self) -> None:
        """Take up turns until one runs or none waits."""
        while self._running is None and self._waiting:
            item = self._waiting.popleft()
            try:
                await self._begin(item.turn, item.port)
            except TurnFailed as refused:
                item.port.fail(refused)
            if item.turn.ephemeral and self._running is None:
                self.stop()

    async def _begin(self, turn: TurnRequest, port: StreamPort[TurnEvent]) -> None:
        instructions, sent = _split(self._agent, turn.entries)
        plan = self._transcript.reconcile(sent)
        prompt = Prompt(
            model=turn.route.model,
            entries=(*instructions, *self._transcript.preview(plan)),
            tools=turn.tools,
            tool_choice=turn.tool_choice,
            parallel_tool_calls=turn.parallel_tool_calls,
            sampling=turn.sampling,
            extra=turn.extra,
        )
        attempts = Attempts(turn.route, turn.fallbacks, self._upstreams.random)
        run = Run(turn.id, attempts, prompt, self._upstreams, port, self._agent.time_limit)
        ref = await self.spawn(run, turn.id)
        self.watch(ref, RunEnded)
        self._running = _Running(turn, port, plan)
        ref.tell(Begin())

    def _close_turn(self, ending: Ending) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        match ending:
            case Finished(value=RunResult(answer, failure, cost=cost)):
                self._keep(running, answer)
                if answer.reason is not None:
                    # It is whole, whatever came after it.
                    running.port.close(TurnEnded(answer.reason, answer.usage, cost))
                elif failure is not None:
                    running.port.fail(TurnFailed(failure))
                else:
                    running.port.fail(_internal("The model's answer has no end."))
            case _:
                running.port.fail(_internal("The run crashed."))
        if running.turn.ephemeral:
            self.stop()

    def _keep(self, running: _Running, answer: Answer) -> None:
        entry = answer.kept()
        if entry is None or (answer.reason is None and not running.turn.streamed):
            return
        cut = self._transcript.commit(running.plan, entry)
        if cut:
            # The client told another story from there on; see `Transcript.reconcile`.
            self.log.info("session.cut", turn=running.turn.id, entries=cut)


def _internal(message: str) -> TurnFailed:
    return TurnFailed(Failure(FailureKind.INTERNAL, message))


def _split(
    agent: AgentSettings, entries: tuple[Entry, ...]
) -> tuple[list[SystemEntry], list[Sent]]:
    """Tell the instructions of this turn from what belongs into the transcript."""
    instructions = [] if agent.instructions is None else [SystemEntry(agent.instructions)]
    sent: list[Sent] = []
    for index, entry in enumerate(entries):
        if isinstance(entry, SystemEntry):
            instructions.append(entry)
        else:
            sent.append(Sent(entry, f"messages[{index}]"))
    return instructions, sent
