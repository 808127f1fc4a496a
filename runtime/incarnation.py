"""One life of an actor: it starts, handles messages, keeps its children, and ends in order.

It knows its actor's hooks and what they hold (children, ports, watches), and lets go of all of it at
its end. Whether there is another life after it is for its cell to decide. Nothing that an actor
raises leaves it.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import trio

from greenroom.runtime.children import Children
from greenroom.runtime.ending import Crashed, Ending, Finished, Killed
from greenroom.runtime.errors import ActorCrashed, ActorStopped, NotAccepted, Refusal
from greenroom.runtime.mailbox import Envelope, Mailbox, Port
from greenroom.runtime.message import Message, Request, Subscription
from greenroom.runtime.reply import ReplyPort, ReplyStream, StreamPort
from greenroom.runtime.supervision import Strategy
from greenroom.runtime.together import Together
from greenroom.runtime.watch import Watch

if TYPE_CHECKING:
    from greenroom.runtime.actor import Actor
    from greenroom.runtime.cell import Cell
    from greenroom.runtime.ref import Ref

M = TypeVar("M", bound=Message)
R = TypeVar("R")
E = TypeVar("E")


class Incarnation(Generic[M]):
    """From `on_start` to the end of `on_stop`, children included.

    What few actors have (children, ports taken over, watches, an alarm) is None until it is needed: an
    idle actor is to cost little more than its task.
    """

    __slots__ = (
        "_alarm",
        "_current",
        "_failure",
        "_limit",
        "_nursery",
        "_open_ports",
        "_scope",
        "_stopping",
        "_value",
        "_watches",
        "actor",
        "begun",
        "cell",
        "children",
        "ending",
        "idle_since",
        "is_over",
        "together",
    )

    def __init__(self, cell: "Cell[M]") -> None:
        self.cell = cell
        self.actor: Actor[M] | None = None
        self.begun = False
        self.children: Children | None = None
        self.ending: Ending = Killed()
        self.idle_since = 0.0
        self.is_over = False
        self.together: Together | None = None
        self._alarm: trio.CancelScope | None = None
        self._current: Envelope[M] | None = None
        self._failure: Exception | None = None
        self._limit: trio.CancelScope | None = None
        self._nursery: trio.Nursery | None = None
        self._open_ports: set[Port] | None = None
        self._scope: trio.CancelScope | None = None
        self._stopping = False
        self._value: object = None
        self._watches: dict[Watch[Any], None] | None = None

    # Its course

    async def live(self) -> None:
        """Live, from beginning to end; what it was is in `begun` and `ending`.

        Raises nothing but what cancelled it from outside, or what is no `Exception`.
        """
        try:
            if self.cell.is_leaf:
                with trio.CancelScope() as scope:
                    await self._run(scope)
            else:
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    try:
                        await self._run(nursery.cancel_scope)
                    finally:
                        if nursery.child_tasks:  # what runs beside it: sweeps and rounds
                            nursery.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - an actor's errors end with it
            self.ending = Crashed(error)
        except BaseExceptionGroup as group:
            errors, rest = group.split(Exception)
            if errors is not None:
                self.ending = Crashed(errors)
            if rest is not None:
                raise rest from None
        finally:
            if self._failure is not None:  # whatever the actor made of being cancelled for it
                self.ending = Crashed(self._failure)
            self._let_go()
            try:
                if self.begun:
                    await self._clean_up()
            finally:
                self._let_go()  # of what the clean-up watches
                self.actor = None

    async def _run(self, scope: trio.CancelScope) -> None:
        self._scope = scope
        if self.cell.killed or self._failure is not None:
            scope.cancel()
        try:
            await self._act()
        finally:
            self._stopping = True
            if self._failure is not None:
                self.ending = Crashed(self._failure)
            self.is_over = True
            self.cell.is_ending(self.ending)
            if self.children:
                in_peace = isinstance(self.ending, Finished)
                await self.children.end(self.grace, in_peace=in_peace)

    async def _act(self) -> None:
        try:
            actor = self.actor = self.cell.actor()
            actor.bind(self)
            if actor.strategy is Strategy.ONE_FOR_ALL:
                self.together = Together(self)
            await actor.on_start()
        except Exception as error:  # noqa: BLE001 - whatever a start raises is its spawner's
            self.ending = Crashed(error)
            return
        self.begun = True
        self.cell.has_begun(actor)
        self.ending = await self._serve(actor)

    async def _serve(self, actor: "Actor[M]") -> Ending:
        get, handle = self.cell.mailbox.get, self._handle
        self.touch()
        while not self._stopping:
            try:
                envelope = await get()
                if envelope is not None:
                    await handle(actor, envelope)
                    self.touch()
            except Exception as error:  # noqa: BLE001 - this is what a crash is
                return Crashed(error)
        return Killed() if self.cell.killed else Finished(self._value)

    async def _handle(self, actor: "Actor[M]", envelope: Envelope[M]) -> None:
        port = envelope.port
        self._current = envelope
        try:
            value = await actor.receive(envelope.message)
        except Refusal as refusal:
            if port is None:
                self.cell.say("info", "actor.refused", message=type(envelope.message).__name__)
            else:
                port.fail(refusal)
        except Exception as error:
            if port is not None:
                port.fail(caused(ActorCrashed(self.cell.path), error))
            raise
        except BaseException:
            if port is not None:
                port.fail(self._fault(self._failure))
            raise
        else:
            if port is not None and not port.taken:
                if isinstance(port, ReplyPort):
                    port.answer(value)
                else:
                    port.close()
        finally:
            self._current = None

    def _let_go(self) -> None:
        """Settle the open ports, leave the watches, drop the signals for this incarnation."""
        ports, self._open_ports = self._open_ports, None
        for port in ports or ():
            port.fail(self._fault(self.ending.error if isinstance(self.ending, Crashed) else None))
        watches, self._watches = self._watches, None
        for watch in watches or ():
            watch.leave()
        self.cell.mailbox.forget_signals()

    async def _clean_up(self) -> None:
        actor = self.actor
        assert actor is not None
        if not actor.cleans_up:
            return  # two scopes of 5 µs less a turn
        deadline = min(trio.current_time() + actor.grace, self.cell.clean_by)
        limit = self._limit = trio.CancelScope(shield=True, deadline=deadline)
        try:
            with limit:
                await actor.on_stop()
        except Exception as error:  # noqa: BLE001 - a clean-up's failure changes no ending
            # Outside of `limit`, which takes its own cancellation out of an exception group.
            self.cell.say("error", "actor.on_stop_crashed", exc_info=error)
        if limit.cancelled_caught:
            self.cell.say("warning", "actor.on_stop_stuck", seconds=actor.grace)

    def _fault(self, error: BaseException | None) -> Exception:
        path = self.cell.path
        return ActorStopped(path) if error is None else caused(ActorCrashed(path), error)

    # What it is told

    def stop(self) -> None:
        """End after the message in hand."""
        self._stopping = True
        self.cell.mailbox.wake()

    def kill(self) -> None:
        """Cancel it where it stands."""
        self._stopping = True
        if self._scope is not None:
            self._scope.cancel()

    def hurry(self, by: float) -> None:
        """Have its clean-up and those below it done at the time `by`, if they run already."""
        if self._limit is not None:
            self._limit.deadline = min(self._limit.deadline, by)
        for child in self.children or ():
            child.life.hurry(by)

    def fail(self, error: Exception) -> None:
        """Crash with `error` where it stands; does nothing once it has begun to end."""
        if not self._stopping and self._failure is None:
            self._failure = error
            self.cell.is_failing()
            self.kill()

    def leave(self, value: object) -> None:
        """End after the message in hand by its own decision; the first value given stays."""
        if self._value is None:
            self._value = value
        if not self._stopping or self.cell.recalled:
            self.cell.leaves()
            self.stop()

    # What it holds

    @property
    def current(self) -> Envelope[M] | None:
        """What it handles now."""
        return self._current

    @property
    def is_stopping(self) -> bool:
        """Whether it takes no further message."""
        return self._stopping

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a message with nothing else on its hands."""
        return self.cell.mailbox.is_awaited and not self._open_ports and not self.children

    @property
    def grace(self) -> float:
        """How long its children may take to end, in seconds."""
        return 0.0 if self.actor is None else self.actor.grace

    def touch(self) -> None:
        """Remember that it was busy until now, if somebody wants to know."""
        if self.cell.tells_time:
            self.idle_since = trio.current_time()

    def adopt(self, child: "Cell[Any]") -> trio.Nursery:
        """Take a child in and return the nursery that its task belongs into.

        Raises:
            NotAccepted: this is at its end.
            ValueError: the name is taken.
        """
        if self._stopping:
            raise NotAccepted(self.cell.path)
        nursery = self.nursery
        if self.children is None:
            self.children = Children(self.cell)
        self.children.add(child)
        return nursery

    def name_the_late(self) -> None:
        """Log which children could not be cancelled."""
        if self.children:
            self.children.name_the_late("error", "actor.uncancellable")

    def disown(self, child: "Cell[Any]") -> None:
        """Forget a child that has ended."""
        if self.children is not None:
            self.children.remove(child)
            self.touch()

    @property
    def nursery(self) -> trio.Nursery:
        """Where what belongs to this life runs beside it."""
        if self._nursery is None:
            why = "is a leaf" if self.cell.is_leaf else "has not started"
            msg = f"{self.cell.path} {why}"
            raise RuntimeError(msg)
        return self._nursery

    def watch(self, ref: "Ref[Any]", told: Callable[[Ending], M]) -> None:
        mailbox = self.cell.mailbox
        ref.join(Watch(self._mine(), partial(_tell_ending, mailbox, told)))

    def watch_consumer(self, port: StreamPort[Any], told: Callable[[], M]) -> None:
        mailbox = self.cell.mailbox
        watch: Watch[None] = Watch(self._mine(), partial(_tell_leaving, mailbox, told))
        port.on_leave(partial(watch.fire, None))

    def set_alarm(self, at: float, told: Callable[[], M]) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = trio.CancelScope()
        self.nursery.start_soon(self._ring, self._alarm, at, told)

    async def _ring(self, alarm: trio.CancelScope, at: float, told: Callable[[], M]) -> None:
        with alarm:
            await trio.sleep_until(at)
            self.cell.mailbox.put_signal(told)

    def _mine(self) -> dict[Watch[Any], None]:
        if self._watches is None:
            self._watches = {}
        return self._watches

    def take_reply_port(self, request: Request[R]) -> ReplyPort[R]:
        port = self._port_of(request)
        if port is None:  # told, not asked: nobody waits
            return ReplyPort(None)
        assert isinstance(port, ReplyPort)
        port.take(self._port_settled)
        self._hold(port)
        return cast("ReplyPort[R]", port)

    def take_stream_port(self, subscription: Subscription[E]) -> StreamPort[E]:
        port = self._port_of(subscription)
        if port is None:  # told, so nobody reads
            nobody: ReplyStream[E] = ReplyStream(0)
            nobody.leave()
            return nobody.port
        assert isinstance(port, StreamPort)
        port.take(self._port_settled)
        if not port.abandoned:
            self._hold(port)
        return cast("StreamPort[E]", port)

    def _hold(self, port: Port) -> None:
        if self._open_ports is None:
            self._open_ports = set()
        self._open_ports.add(port)

    def _port_settled(self, port: Port) -> None:
        if self._open_ports is not None:
            self._open_ports.discard(port)
            self.touch()

    def _port_of(self, message: Message) -> Port | None:
        current = self._current
        if current is None or current.message is not message:
            msg = f"{self.cell.path}: only the message in hand has a port to take"
            raise ValueError(msg)
        return current.port


# Each stream has eight of these: a partial of a function takes half of what a closure does.


def _tell_ending(mailbox: Mailbox[M], told: Callable[[Ending], M], ending: Ending) -> None:
    mailbox.put_signal(partial(told, ending))


def _tell_leaving(mailbox: Mailbox[M], told: Callable[[], M], _: None) -> None:
    mailbox.put_signal(told)


def caused(fault: Exception, cause: BaseException) -> Exception:
    """Return `fault` with its cause set, as `raise … from` would."""
    fault.__cause__ = cause
    return fault
