"""A tree of actors and its root: where it begins, and how it ends in order."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import structlog
import trio

from greenroom.runtime.actor import Actor
from greenroom.runtime.cell import Cell
from greenroom.runtime.message import Message
from greenroom.runtime.ref import Ref

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

C = TypeVar("C", bound=Message)


class _Root(Actor[Message]):
    """The parent of all; it has no protocol of its own."""

    async def receive(self, message: Message) -> object:
        self.log.warning("actor.dead_letter", message=type(message).__name__)
        return None


class System:
    """A running tree of actors: `async with System(…) as system`.

    Leaving stops every actor, children before parents; who has not ended `grace` seconds later is
    cancelled. Nothing is global: systems in one process know nothing of each other.
    """

    def __init__(
        self,
        name: str = "greenroom",
        *,
        grace: float = 10.0,
        log: "FilteringBoundLogger | None" = None,
    ) -> None:
        logger: FilteringBoundLogger = structlog.get_logger() if log is None else log
        root = _Root()
        root.grace = grace
        self._root: Cell[Message] = Cell(root, name, logger, lambda _: None)
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> "System":
        async with AsyncExitStack() as stack:
            nursery = await stack.enter_async_context(trio.open_nursery())
            await nursery.start(self._root.run)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._root.request_stop()
        with trio.CancelScope(shield=True):  # bounded: the root gives its children `grace` seconds
            await self._root.ended.wait()
        # No actor's error gets as far as the nursery; the body's own stays out of it, too, for it
        # would come back wrapped in a group.
        await self._exit.aclose()

    async def spawn(self, actor: Actor[C], name: str) -> Ref[C]:
        """Start an actor at the top of the tree and wait until its `on_start` is done.

        Raises:
            StartFailed: `on_start` raised, its error is the cause; or the actor was killed in it.
            NotAccepted: the system is being left, or has been.
        """
        return await self._root.spawn(actor, name)
