"""What an actor is to whoever writes one: state, three hooks, and the verbs of its own life."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from greenroom.runtime.message import Message, Request, Subscription
from greenroom.runtime.ref import Ref
from greenroom.runtime.reply import ReplyPort, StreamPort
from greenroom.runtime.spawn import spawn, spawn_soon
from greenroom.runtime.supervision import Restarted, Strategy

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from greenroom.runtime.directory import Directory
    from greenroom.runtime.ending import Ending
    from greenroom.runtime.incarnation import Incarnation

M = TypeVar("M", bound=Message)
C = TypeVar("C", bound=Message)
R = TypeVar("R")
E = TypeVar("E")


class Actor(ABC, Generic[M]):
    """One task with a mailbox; `M` is the union of the messages that it understands.

    Subclass it, keep state in attributes, handle one message at a time in `receive`. Nothing but
    the actor's own task touches that state.
    """

    mailbox_size: int = 64
    """How many messages wait before asks have to wait for room and tells are turned away."""

    grace: float = 5.0
    """Seconds that children, and then `on_stop`, may take when this actor stops."""

    is_leaf: bool = False
    """Whether it never has children, directories or alarms, which makes its life cheaper."""

    strategy: Strategy = Strategy.ONE_FOR_ONE
    """Whether a supervised child that is restarted takes its supervised siblings along."""

    _life: "Incarnation[M]"

    async def on_start(self) -> None:
        """Prepare, before the first message; what it raises goes to whoever spawned the actor."""

    @abstractmethod
    async def receive(self, message: M) -> object:
        """Handle one message; the value answers a request.

        Raise a `Refusal` to say no. Anything else that is raised is a crash.
        """

    async def on_stop(self) -> None:
        """Clean up; runs once after a successful start, shielded, for `grace` seconds at most."""

    @property
    def cleans_up(self) -> bool:
        """Whether there is anything in `on_stop`."""
        return type(self).on_stop is not Actor.on_stop

    def bind(self, life: "Incarnation[M]") -> None:
        """Join the actor to its life; the runtime calls it once."""
        self._life = life

    @property
    def ref(self) -> Ref[M]:
        """This actor, as others may know it."""
        return self._life.cell.ref

    @property
    def log(self) -> "FilteringBoundLogger":
        """A logger that carries this actor's path."""
        return self._life.cell.log

    @property
    def is_stopping(self) -> bool:
        """Whether this actor takes no further message, by its own decision or another's."""
        return self._life.is_stopping

    async def spawn(self, child: "Actor[C]", name: str) -> Ref[C]:
        """Start a child that is never restarted, and wait until its `on_start` is done.

        Raises:
            StartFailed: `on_start` raised, its error is the cause; or the child was killed in it.
            NotAccepted: this actor is at its end.
            ValueError: a living child has that name.
        """
        return await spawn(self._life, name, child)

    def spawn_soon(self, child: "Actor[C]", name: str) -> Ref[C]:
        """Start a child that is never restarted, and do not wait: its mailbox is open now.

        What its `on_start` raises is its end, which those that watch or ask are told.

        Raises:
            NotAccepted: this actor is at its end.
            ValueError: a living child has that name.
        """
        return spawn_soon(self._life, name, child)

    async def supervise(
        self, create: "Callable[[], Actor[C]]", name: str, policy: Restarted
    ) -> Ref[C]:
        """Start a child that is restarted as `policy` says, each time with a new `create()`.

        The ref stays good through restarts, and so does what waits in the mailbox. A failure past
        the policy's limit crashes this actor with `RestartLimit`.

        Raises:
            StartFailed, NotAccepted, ValueError: as `spawn` does; only restarts are supervised.
        """
        return await spawn(self._life, name, create(), create=create, policy=policy)

    def watch(self, ref: Ref[Any], told: "Callable[[Ending], M]") -> None:
        """Be sent `told(ending)` once when `ref` has ended for good, at once if it has already.

        It comes on the signal lane: ahead of messages, and whatever the mailbox's load is.
        """
        self._life.watch(ref, told)

    def watch_consumer(self, port: StreamPort[Any], told: Callable[[], M]) -> None:
        """Be sent `told()` once when the consumer of `port` has left, on the signal lane.

        A consumer leaves every stream in the end, so it comes after the stream's own end as well.
        """
        self._life.watch_consumer(port, told)

    def set_alarm(self, at: float, told: Callable[[], M]) -> None:
        """Be sent `told()` once at a time of trio's clock, on the signal lane; the last alarm counts.

        It ends with this incarnation.
        """
        self._life.set_alarm(at, told)

    def host(self, directory: "Directory[Any, Any]") -> None:
        """Be the parent of every actor that `directory` activates; call it in `on_start`.

        Raises:
            ValueError: another living actor hosts it.
        """
        directory.attach(self._life)

    def stop(self, value: object = None) -> None:
        """Stop after this message; `value`, the first that is given, goes to those who watch."""
        self._life.leave(value)

    def reply_port(self, request: Request[R]) -> ReplyPort[R]:
        """Take over the answering of the request in hand; what `receive` returns is ignored then.

        A port that is still unanswered when the actor ends is answered with that end.
        """
        return self._life.take_reply_port(request)

    def stream_port(self, subscription: Subscription[E]) -> StreamPort[E]:
        """Take over the answering of the subscription in hand, until its stream is ended."""
        return self._life.take_stream_port(subscription)
