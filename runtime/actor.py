"""What an actor is to whoever writes one: state, three hooks, and the verbs of its own life."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from greenroom.runtime.message import Message, Request, Subscription
from greenroom.runtime.ref import Ref
from greenroom.runtime.reply import ReplyPort, StreamPort

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from greenroom.runtime.cell import Cell
    from greenroom.runtime.directory import Directory

M = TypeVar("M", bound=Message)
C = TypeVar("C", bound=Message)
R = TypeVar("R")
E = TypeVar("E")


class Finished(msgspec.Struct, frozen=True):
    """The actor stopped by itself or was asked to; `value` is what it left, see `Actor.stop`."""

    value: object = None


class Crashed(msgspec.Struct, frozen=True):
    """The actor raised `error`, which was no refusal."""

    error: BaseException


class Killed(msgspec.Struct, frozen=True):
    """The actor was cancelled where it stood."""


Ending = Finished | Crashed | Killed


class Actor(ABC, Generic[M]):
    """One task with a mailbox; `M` is the union of the messages that it understands.

    Subclass it, keep state in attributes, handle one message at a time in `receive`. Nothing but
    the actor's own task touches that state.
    """

    mailbox_size: int = 64
    """How many messages wait before asks have to wait for room and tells are turned away."""

    grace: float = 5.0
    """Seconds that children, and then `on_stop`, may take when this actor stops."""

    _cell: "Cell[M]"

    async def on_start(self) -> None:
        """Prepare, before the first message; what it raises goes to whoever spawned the actor."""

    @abstractmethod
    async def receive(self, message: M) -> object:
        """Handle one message; the value answers a request.

        Raise a `Refusal` to say no. Anything else that is raised is a crash.
        """

    async def on_stop(self) -> None:
        """Clean up; runs once after a successful start, shielded, for `grace` seconds at most."""

    def bind(self, cell: "Cell[M]") -> None:
        """Join the actor to its task; the runtime calls it once."""
        self._cell = cell

    @property
    def ref(self) -> Ref[M]:
        """This actor, as others may know it."""
        return self._cell.ref

    @property
    def log(self) -> "FilteringBoundLogger":
        """A logger that carries this actor's path."""
        return self._cell.log

    async def spawn(self, child: "Actor[C]", name: str) -> Ref[C]:
        """Start a child and wait until its `on_start` is done.

        Raises:
            StartFailed: `on_start` raised, its error is the cause; or the child was killed in it.
            NotAccepted: this actor is at its end.
        """
        return await self._cell.spawn(child, name)

    def watch(self, ref: Ref[Any], told: Callable[[Ending], M]) -> None:
        """Be sent `told(ending)` once when `ref` has ended, at once if it has already.

        It comes on the signal lane: ahead of messages, and whatever the mailbox's load is.
        """
        self._cell.watch(ref, told)

    def watch_consumer(self, port: StreamPort[Any], told: Callable[[], M]) -> None:
        """Be sent `told()` once when the consumer of `port` has left, on the signal lane.

        A consumer leaves every stream in the end, so it comes after the stream's own end as well.
        """
        self._cell.watch_consumer(port, told)

    def host(self, directory: "Directory[Any, Any]") -> None:
        """Be the parent of every actor that `directory` activates; call it in `on_start`."""
        directory.attach(self._cell)

    def stop(self, value: object = None) -> None:
        """Stop after this message; `value` goes to those who watch."""
        self._cell.request_stop(value)

    def reply_port(self, request: Request[R]) -> ReplyPort[R]:
        """Take over the answering of the request in hand; what `receive` returns is ignored then.

        A port that is still unanswered when the actor ends is answered with that end.
        """
        return self._cell.take_reply_port(request)

    def stream_port(self, subscription: Subscription[E]) -> StreamPort[E]:
        """Take over the answering of the subscription in hand, until its stream is ended."""
        return self._cell.take_stream_port(subscription)
