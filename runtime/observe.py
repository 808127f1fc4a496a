"""What happens in a system, for those who look: counted, logged, and given to subscriptions.

Looking never holds an actor: whoever reads too slowly misses events and is told how many.
"""

from types import TracebackType
from typing import TYPE_CHECKING, Literal

import msgspec
import trio

from greenroom.runtime.ending import Crashed, Ending, Finished, Killed
from greenroom.runtime.message import Message
from greenroom.runtime.reply import ReplyStream, StreamPort

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class Started(msgspec.Struct, frozen=True):
    """An incarnation's `on_start` is done; `restarts` of this actor went before it."""

    path: str
    actor: str
    restarts: int


class Restarting(msgspec.Struct, frozen=True):
    """An incarnation has ended as `ending` says, and the next begins after `wait` seconds.

    With one-for-all it may have to wait for its siblings' ends as well.
    """

    path: str
    ending: Ending
    wait: float


class Passivated(msgspec.Struct, frozen=True):
    """An idle actor has closed its mailbox and is about to end."""

    path: str


class Ended(msgspec.Struct, frozen=True):
    """An actor has ended for good."""

    path: str
    ending: Ending


class DeadLetter(msgspec.Struct, frozen=True):
    """A told message was accepted and will never be handled."""

    path: str
    message: Message


class Missed(msgspec.Struct, frozen=True):
    """So many events did not fit into the subscription's buffer, at this point."""

    events: int


Level = Literal["debug", "info", "warning", "error"]
Event = Started | Restarting | Passivated | Ended | DeadLetter | Missed


class Counts(msgspec.Struct):
    """How often each event has happened; `finished`, `crashed` and `killed` are ends for good."""

    started: int = 0
    restarted: int = 0
    passivated: int = 0
    finished: int = 0
    crashed: int = 0
    killed: int = 0
    dead_letters: int = 0
    unlogged: int = 0
    """Lines that the log failed on; that hurts no actor."""


class Events:
    """The events from now on: `async with system.events() as events: async for event in events`."""

    def __init__(self, observer: "Observer", buffer: int) -> None:
        self._observer = observer
        self._stream: ReplyStream[Event] = ReplyStream(buffer)

    async def __aenter__(self) -> ReplyStream[Event]:
        self._observer.subscribe(self._stream.port)
        return self._stream

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.leave()


class Observer:
    """One system's counts, log and subscriptions."""

    __slots__ = ("_closed", "_missed", "counts", "log")

    def __init__(self, log: "FilteringBoundLogger") -> None:
        self.log = log
        self.counts = Counts()
        self._missed: dict[StreamPort[Event], int] = {}
        self._closed = False

    def subscribe(self, port: StreamPort[Event]) -> None:
        """Give `port` every event until its consumer leaves or the system ends."""
        if self._closed:
            port.close()
        else:
            self._missed[port] = 0
            port.on_leave(lambda: self._leave(port))

    def close(self) -> None:
        """End every subscription: nothing happens any more."""
        self._closed = True
        for port, missed in self._missed.items():
            port.close(*([Missed(missed)] if missed else []))
        self._missed.clear()

    def say(self, level: Level, event: str, path: str, **fields: object) -> None:
        """Log a line of the runtime about the actor at `path`; a log that fails is counted."""
        try:
            getattr(self.log, level)(event, actor=path, **fields)
        except Exception:  # noqa: BLE001 - a full disk or a closed pipe is no actor's failure
            self.counts.unlogged += 1

    # What happens

    def started(self, path: str, actor: object, restarts: int) -> None:
        self.counts.started += 1
        kind = type(actor).__name__
        if self._missed:
            self._give(Started(path, kind, restarts))
        self.say("debug", "actor.started", path, kind=kind, restarts=restarts)

    def restarting(self, path: str, ending: Ending, wait: float) -> None:
        if self._missed:
            self._give(Restarting(path, ending, wait))
        self._log_crash(path, ending)
        self.say("warning", "actor.restarting", path, wait=round(wait, 3))

    def restarted(self) -> None:
        self.counts.restarted += 1

    def passivated(self, path: str) -> None:
        self.counts.passivated += 1
        if self._missed:
            self._give(Passivated(path))
        self.say("debug", "actor.passivated", path)

    def ended(self, path: str, ending: Ending) -> None:
        match ending:
            case Crashed():
                self.counts.crashed += 1
            case Finished():
                self.counts.finished += 1
            case Killed():
                self.counts.killed += 1
        if self._missed:
            self._give(Ended(path, ending))
        self._log_crash(path, ending)
        if not isinstance(ending, Crashed):
            self.say("debug", f"actor.{type(ending).__name__.lower()}", path)

    def dead_letter(self, path: str, message: Message) -> None:
        self.counts.dead_letters += 1
        if self._missed:
            self._give(DeadLetter(path, message))
        self.say("info", "actor.dead_letter", path, message=type(message).__name__)

    def _log_crash(self, path: str, ending: Ending) -> None:
        if isinstance(ending, Crashed):
            self.say("error", "actor.crashed", path, exc_info=ending.error)

    def _give(self, event: Event) -> None:
        for port, missed in self._missed.items():
            try:
                if missed:
                    port.send_nowait(Missed(missed))
                    self._missed[port] = missed = 0  # noqa: PLW2901 - what follows goes by it
                port.send_nowait(event)
            except trio.WouldBlock:
                self._missed[port] = missed + 1

    def _leave(self, port: StreamPort[Event]) -> None:
        self._missed.pop(port, None)
