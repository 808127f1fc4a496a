"""The task around one actor: it takes messages, answers, keeps the children, and ends in order.

All that can happen to an actor passes through here, and every way out leads through `_end`: after
it the mailbox is closed, each accepted ask is answered, each open stream has ended, each watcher is
told. Nothing that an actor raises leaves its cell.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import trio

from greenroom.runtime.actor import Actor, Crashed, Ending, Finished, Killed
from greenroom.runtime.errors import ActorCrashed, ActorStopped, NotAccepted, Refusal, StartFailed
from greenroom.runtime.mailbox import Envelope, Mailbox, Port
from greenroom.runtime.message import Message, Request, Subscription
from greenroom.runtime.ref import Ref
from greenroom.runtime.reply import ReplyPort, ReplyStream, StreamPort

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

M = TypeVar("M", bound=Message)
C = TypeVar("C", bound=Message)
R = TypeVar("R")
E = TypeVar("E")

Started = trio.TaskStatus[Ref[M]]


class Cell(Generic[M]):
    """One actor's task, mailbox and children."""

    __slots__ = (
        "__weakref__",
        "_actor",
        "_children",
        "_current",
        "_forget",
        "_logger",
        "_nursery",
        "_open_ports",
        "_scope",
        "_stopping",
        "_value",
        "_watchers",
        "ended",
        "ending",
        "mailbox",
        "path",
        "ref",
    )

    def __init__(
        self,
        actor: Actor[M],
        path: str,
        logger: "FilteringBoundLogger",
        forget: "Callable[[Cell[M]], None]",
    ) -> None:
        self._actor = actor
        self._logger = logger
        self._forget = forget
        self._children: dict[str, Cell[Any]] = {}
        self._current: Envelope[M] | None = None
        self._nursery: trio.Nursery | None = None
        self._open_ports: set[Port] = set()
        self._scope = trio.CancelScope()
        self._stopping = False
        self._value: object = None
        self._watchers: list[Callable[[Ending], None]] = []
        self.ended = trio.Event()
        self.ending: Ending | None = None
        self.mailbox: Mailbox[M] = Mailbox(path, actor.mailbox_size)
        self.path = path
        self.ref: Ref[M] = Ref(self)
        actor.bind(self)

    @property
    def log(self) -> "FilteringBoundLogger":
        return self._logger.bind(actor=self.path)

    # The task

    async def run(self, task_status: "Started[M]") -> None:
        """Live, for a spawner who waits: `StartFailed` is raised at it."""
        begun, error = await self._live(task_status)
        if not begun:
            raise StartFailed(self.path) from error

    async def run_detached(self) -> None:
        """Live, with nobody waiting: a failed start is told to those who have sent messages."""
        await self._live(trio.TASK_STATUS_IGNORED)

    async def _live(self, task_status: "Started[M]") -> tuple[bool, Exception | None]:
        ending: Ending = Killed()
        begun = False
        start_error: Exception | None = None
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    try:
                        start_error = await self._begin()
                        if start_error is None:
                            begun = True
                            task_status.started(self.ref)
                            ending = await self._serve()
                        else:
                            ending = Crashed(start_error)
                        if isinstance(ending, Finished):
                            self._close_mailbox(None)
                            await self._stop_children()
                    finally:
                        self._close_mailbox(start_error)
                        self._kill_children()
        except Exception as error:  # noqa: BLE001 - an actor's errors end with its cell
            ending = Crashed(error)
        except BaseExceptionGroup as group:
            errors, rest = group.split(Exception)
            if errors is not None:
                ending = Crashed(errors)
            if rest is not None:
                raise rest from None
        finally:
            self._scope.cancel()
            self._fail_open_ports(ending)
            try:
                if begun:
                    await self._clean_up()
            finally:
                self._end(ending)
        return begun, start_error

    async def _begin(self) -> Exception | None:
        try:
            await self._actor.on_start()
        except Exception as error:  # noqa: BLE001 - whatever a start raises is its spawner's
            return error
        return None

    async def _serve(self) -> Ending:
        get, handle = self.mailbox.get, self._handle
        while not self._stopping:
            try:
                envelope = await get()
                if envelope is not None:
                    await handle(envelope)
            except Exception as error:  # noqa: BLE001 - this is what a crash is
                return Crashed(error)
        return Finished(self._value)

    async def _handle(self, envelope: Envelope[M]) -> None:
        port = envelope.port
        self._current = envelope
        try:
            value = await self._actor.receive(envelope.message)
        except Refusal as refusal:
            if port is None:
                self.log.info("actor.refused", message=type(envelope.message).__name__)
            else:
                port.fail(refusal)
        except Exception as error:
            if port is not None:
                port.fail(_caused(ActorCrashed(self.path), error))
            raise
        except BaseException:
            if port is not None:
                port.fail(ActorStopped(self.path))
            raise
        else:
            if port is not None and not port.taken:
                if isinstance(port, ReplyPort):
                    port.answer(value)
                else:
                    port.close()
        finally:
            self._current = None

    async def _stop_children(self) -> None:
        """Have the children end by themselves, for the actor's grace; who is left is cancelled."""
        children = list(self._children.values())
        for child in children:
            child.request_stop()
        with trio.move_on_after(self._actor.grace) as limit:
            for child in children:
                await child.ended.wait()
        if limit.cancelled_caught:
            stuck = [child.path for child in children if child.ending is None]
            self.log.warning("actor.children_stuck", children=stuck, seconds=self._actor.grace)

    def _kill_children(self) -> None:
        """Cancel who is left, by itself: a child in its `on_start` is not in the nursery yet."""
        for child in self._children.values():
            child.kill()

    async def _clean_up(self) -> None:
        deadline = trio.current_time() + self._actor.grace
        limit = trio.CancelScope(shield=True, deadline=deadline)
        try:
            with limit:
                await self._actor.on_stop()
        except Exception:
            # Outside of `limit`, which takes its own cancellation out of an exception group.
            self.log.exception("actor.on_stop_crashed")
        if limit.cancelled_caught:
            self.log.warning("actor.on_stop_stuck", seconds=self._actor.grace)

    def _close_mailbox(self, start_error: Exception | None) -> None:
        """Take no more messages and answer those that were accepted and not begun."""
        unread = self.mailbox.close()
        for envelope in unread:
            if envelope.port is not None and start_error is not None:
                envelope.port.fail(_caused(StartFailed(self.path), start_error))
            elif envelope.port is not None:
                envelope.port.fail(ActorStopped(self.path))
        for envelope in unread:
            if envelope.port is None:
                self.log.debug("actor.dead_letter", message=type(envelope.message).__name__)

    def _fail_open_ports(self, ending: Ending) -> None:
        for port in list(self._open_ports):
            if isinstance(ending, Crashed):
                port.fail(_caused(ActorCrashed(self.path), ending.error))
            else:
                port.fail(ActorStopped(self.path))

    def _end(self, ending: Ending) -> None:
        # The log comes last: one that raises must not keep anyone waiting.
        self.ending = ending
        self._forget(self)
        self.ended.set()
        watchers, self._watchers = self._watchers, []
        for tell in watchers:
            tell(ending)
        match ending:
            case Crashed(error):
                self.log.error("actor.crashed", exc_info=error)
            case Finished():
                self._logger.debug("actor.stopped", actor=self.path)
            case Killed():
                self._logger.debug("actor.killed", actor=self.path)

    # What the actor and its refs ask for

    def request_stop(self, value: object = None) -> None:
        """Stop after the message in hand; the first value given stays."""
        if not self._stopping:
            self._stopping = True
            self._value = value
            self.mailbox.wake()

    def kill(self) -> None:
        """Cancel the task; does nothing after its end."""
        self._scope.cancel()

    async def spawn(self, actor: Actor[C], name: str) -> Ref[C]:
        child = self._adopt(actor, name)
        nursery = self._open_nursery()
        return cast("Ref[C]", await nursery.start(child.run, name=child.path))

    def activate(self, actor: Actor[C], name: str) -> "Cell[C]":
        """Start a child and do not wait: its mailbox takes messages at once."""
        child = self._adopt(actor, name)
        self._open_nursery().start_soon(child.run_detached, name=child.path)
        return child

    def watch(self, ref: Ref[Any], told: Callable[[Ending], M]) -> None:
        ref.on_end(lambda ending: self.mailbox.put_signal(lambda: told(ending)))

    def watch_consumer(self, port: StreamPort[Any], told: Callable[[], M]) -> None:
        port.on_leave(lambda: self.mailbox.put_signal(told))

    def on_end(self, tell: Callable[[Ending], None]) -> None:
        """Have `tell` called once, without an await after the end; at once if that has been."""
        if self.ending is not None:
            tell(self.ending)
        else:
            self._watchers.append(tell)

    def take_reply_port(self, request: Request[R]) -> ReplyPort[R]:
        port = self._port_of(request)
        if port is None:  # told, not asked: nobody waits
            return ReplyPort(None)
        assert isinstance(port, ReplyPort)
        port.take(self._open_ports.discard)
        self._open_ports.add(port)
        return cast("ReplyPort[R]", port)

    def take_stream_port(self, subscription: Subscription[E]) -> StreamPort[E]:
        port = self._port_of(subscription)
        if port is None:  # told, so nobody reads
            nobody: ReplyStream[E] = ReplyStream(0)
            nobody.leave()
            return nobody.port
        assert isinstance(port, StreamPort)
        port.take(self._open_ports.discard)
        if not port.abandoned:
            self._open_ports.add(port)
        return cast("StreamPort[E]", port)

    def _port_of(self, message: Message) -> Port | None:
        current = self._current
        if current is None or current.message is not message:
            msg = f"{self.path}: only the message in hand has a port to take"
            raise ValueError(msg)
        return current.port

    def _adopt(self, actor: Actor[C], name: str) -> "Cell[C]":
        if name in self._children:
            msg = f"{self.path} has a child named {name!r} already"
            raise ValueError(msg)
        if not self.mailbox.is_open:
            raise NotAccepted(self.path)
        child = Cell(actor, f"{self.path}/{name}", self._logger, self._disown)
        self._children[name] = child
        return child

    def _disown(self, child: "Cell[Any]") -> None:
        del self._children[child.path.removeprefix(f"{self.path}/")]

    def _open_nursery(self) -> trio.Nursery:
        if self._nursery is None:
            msg = f"{self.path} has not started"
            raise RuntimeError(msg)
        return self._nursery


def _caused(fault: Exception, cause: BaseException) -> Exception:
    fault.__cause__ = cause
    return fault
