"""Ways to reach an actor: a recipient has three verbs and nothing of the actor's state.

A `Ref` names a live actor; an `Address` (in `directory`) names a key, alive or not.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from greenroom.runtime.mailbox import Envelope, Port
from greenroom.runtime.message import Message, Request, Subscription
from greenroom.runtime.reply import Reply, ReplyStream
from greenroom.runtime.watch import Watch

if TYPE_CHECKING:
    from greenroom.runtime.cell import Cell
    from greenroom.runtime.ending import Ending

M_contra = TypeVar("M_contra", bound=Message, contravariant=True)
R = TypeVar("R")
E = TypeVar("E")

STREAM_BUFFER = 16
"""Events that wait in a reply stream before its producer has to."""


class Recipient(ABC, Generic[M_contra]):
    """Somewhere to send messages of `M_contra` to."""

    __slots__ = ()

    @property
    @abstractmethod
    def path(self) -> str:
        """Where the actor stands in the tree, from the system's name down."""

    @abstractmethod
    def tell(self, message: M_contra) -> None:
        """Send and forget.

        Raises:
            MailboxFull: there is no room; a tell never waits.
            NotAccepted: the actor has stopped.
        """

    @abstractmethod
    async def put(self, envelope: Envelope[M_contra]) -> None:
        """Have an envelope accepted, waiting for room; the part that ask and stream share."""

    async def ask(self, request: Request[R]) -> R:
        """Send a request, waiting for room, and wait for its answer; the caller sets the deadline.

        Raises:
            Refusal: the actor said no.
            NotAccepted: the actor had stopped; the request was not taken.
            ActorCrashed, ActorStopped, StartFailed: it was taken, and the actor is gone.
        """
        reply: Reply[R] = Reply()
        # An ask is typed by its answer; that the actor knows the request is its protocol's matter.
        try:
            await self.put(Envelope(cast("M_contra", request), cast("Port", reply.port)))
        except BaseException:
            reply.leave()
            raise
        return await reply.wait()

    def stream(
        self, subscription: Subscription[E], *, buffer: int = STREAM_BUFFER
    ) -> "OpenStream[E]":
        """Send a subscription and read its events: `async with ref.stream(…) as events`.

        Entering waits for room in the mailbox; leaving cancels the producer at once. At most
        `buffer` events wait unread. Entering and iterating raise what `ask` raises.
        """
        return OpenStream(cast("Recipient[Subscription[E]]", self), subscription, buffer)


class Ref(Recipient[M_contra]):
    """A live actor; the same ref before and after a restart."""

    __slots__ = ("_cell",)

    def __init__(self, cell: "Cell[M_contra]") -> None:
        self._cell = cell

    @property
    def path(self) -> str:
        return self._cell.path

    def tell(self, message: M_contra) -> None:
        self._cell.mailbox.put_nowait(Envelope(message))

    async def put(self, envelope: Envelope[M_contra]) -> None:
        await self._cell.mailbox.put(envelope)

    def stop(self) -> None:
        """End the actor for good after the message in hand; what waits is answered now."""
        self._cell.stop()

    def kill(self) -> None:
        """End the actor for good where it stands, its children with it."""
        self._cell.kill()

    async def stopped(self) -> None:
        """Wait for the actor's end for good."""
        await self._cell.ended.wait()

    def on_end(self, tell: "Callable[[Ending], None]") -> None:
        """Have `tell` called at the actor's end, in its task, without an await; it must not raise.

        For the runtime and the outermost layer; between actors, `Actor.watch` is the way.
        """
        self.join(Watch(None, tell))

    def join(self, watch: "Watch[Ending]") -> None:
        """Have a watch fire at the actor's end; `Actor.watch` is the verb for it."""
        self._cell.join(watch)

    def __repr__(self) -> str:
        return f"<Ref {self.path}>"


class OpenStream(Generic[E]):
    """A stream that is about to be subscribed to; enter it once."""

    __slots__ = ("_recipient", "_stream", "_subscription")

    def __init__(
        self,
        recipient: Recipient[Subscription[E]],
        subscription: Subscription[E],
        buffer: int,
    ) -> None:
        self._recipient = recipient
        self._subscription = subscription
        self._stream: ReplyStream[E] = ReplyStream(buffer)

    async def __aenter__(self) -> ReplyStream[E]:
        stream = self._stream
        try:
            await self._recipient.put(Envelope(self._subscription, cast("Port", stream.port)))
        except BaseException:
            stream.leave()
            raise
        return stream

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.leave()
