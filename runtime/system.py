"""A tree of actors and its root: where it begins, and how it ends in order."""

import random as random_source
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import msgspec
import structlog
import trio

from greenroom.runtime.actor import Actor
from greenroom.runtime.cell import Cell, Common
from greenroom.runtime.ending import Crashed
from greenroom.runtime.message import Message
from greenroom.runtime.observe import Counts, Events, Observer
from greenroom.runtime.ref import Ref
from greenroom.runtime.spawn import spawn
from greenroom.runtime.supervision import Restarted
from greenroom.runtime.tree import Node, survey

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

C = TypeVar("C", bound=Message)


class _Root(Actor[Message]):
    """The parent of all; it has no protocol of its own, and nobody has its ref."""

    async def receive(self, message: Message) -> object:
        raise AssertionError(message)


class System:
    """A running tree of actors: `async with System(…) as system`.

    Leaving stops every actor, children before parents; who has not ended `grace` seconds later is
    cancelled, and all clean-ups have `grace` seconds more. `seed` makes the random part of backoffs
    repeatable. Nothing is global: systems in one process know nothing of each other.

    A supervised actor at the top that fails past its limit ends the system: the body is cancelled,
    and `RestartLimit` comes out of the `async with`.
    """

    def __init__(
        self,
        name: str = "greenroom",
        *,
        grace: float = 10.0,
        log: "FilteringBoundLogger | None" = None,
        seed: int | None = None,
    ) -> None:
        self._name = name
        self._grace = grace
        self._observer = Observer((structlog.get_logger() if log is None else log).bind())
        self._random = random_source.Random(seed)  # noqa: S311 - spreads restarts, hides nothing
        self._body = trio.CancelScope()
        self._exit = AsyncExitStack()
        self._cell: Cell[Message] | None = None

    async def __aenter__(self) -> "System":
        root = _Root()
        root.grace = self._grace
        common = Common(self._observer, self._random, self._body)
        cell = Cell(common, None, self._name, self._name, root)
        async with AsyncExitStack() as stack:
            nursery = await stack.enter_async_context(trio.open_nursery())
            await nursery.start(cell.run)
            self._cell = cell
            self._exit = stack.pop_all()
        self._body.__enter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cancelled: BaseException | None = None
        try:
            swallowed = self._body.__exit__(kind, error, trace)
        finally:
            cancelled = await self._close()
        has_own = error is not None and not swallowed
        ending = self._root.ending
        if isinstance(ending, Crashed) and (not has_own or isinstance(error, trio.Cancelled)):
            raise ending.error
        if cancelled is not None and not has_own:
            raise cancelled

    async def _close(self) -> BaseException | None:
        """End all; return the cancellation that cut it short, which an error goes before."""
        self._root.stop()
        with trio.CancelScope(shield=True):  # bounded: the root gives its children `grace` seconds
            await self._root.ended.wait()
        self._observer.close()
        # No actor's error gets as far as the nursery; the body's own stays out of it, too, for it
        # would come back wrapped in a group.
        try:
            await self._exit.aclose()
        except BaseExceptionGroup as group:
            if group.split(trio.Cancelled)[1] is not None:
                raise
            return group
        return None

    @property
    def _root(self) -> Cell[Message]:
        if self._cell is None:
            msg = "the system runs inside of its `async with`"
            raise RuntimeError(msg)
        return self._cell

    async def spawn(self, actor: Actor[C], name: str) -> Ref[C]:
        """Start an actor at the top of the tree and wait until its `on_start` is done.

        Raises:
            StartFailed: `on_start` raised, its error is the cause; or the actor was killed in it.
            NotAccepted: the system is being left, or has been.
            ValueError: a living actor at the top has that name.
        """
        return await spawn(self._root.life, name, actor)

    async def supervise(
        self, create: Callable[[], Actor[C]], name: str, policy: Restarted
    ) -> Ref[C]:
        """Start an actor at the top that is restarted as `policy` says; see `Actor.supervise`."""
        return await spawn(self._root.life, name, create(), create=create, policy=policy)

    def tree(self, levels: int | None = None) -> Node:
        """Read off every actor as it stands, down to `levels` levels below the root."""
        return survey(self._root, levels)

    def counts(self) -> Counts:
        """Return how often each event has happened so far."""
        return msgspec.structs.replace(self._observer.counts)

    def events(self, *, buffer: int = 256) -> Events:
        """Read what happens from now on: `async with system.events() as events`.

        At most `buffer` events wait unread; of those beyond, `Missed` tells the number.
        """
        return Events(self._observer, buffer)
