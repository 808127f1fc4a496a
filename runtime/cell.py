"""What stays the same through an actor's restarts: its path, its mailbox, its ref, its watchers.

A cell runs one incarnation after another, as its policy decides. Every way out leads through `_end`:
after it the mailbox is closed, each accepted ask is answered, each watcher is told.
"""

import math
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from greenroom.runtime.ending import Crashed, Ending
from greenroom.runtime.errors import ActorStopped, RestartLimit, StartFailed
from greenroom.runtime.incarnation import Incarnation, caused
from greenroom.runtime.mailbox import Mailbox
from greenroom.runtime.message import Message
from greenroom.runtime.observe import Level, Observer
from greenroom.runtime.ref import Ref
from greenroom.runtime.supervision import (
    Decision,
    End,
    Escalate,
    Permanent,
    Policy,
    RestartAfter,
    Restarts,
    Temporary,
    decide,
)

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from greenroom.runtime.actor import Actor
    from greenroom.runtime.watch import Watch

M = TypeVar("M", bound=Message)

TEMPORARY = Temporary()


class Common:
    """What all cells of one system share, and no two systems."""

    __slots__ = ("body", "observer", "random")

    def __init__(self, observer: "Observer", random: Random, body: trio.CancelScope) -> None:
        self.observer = observer
        self.random = random
        self.body = body


class Cell(Generic[M]):
    """One actor, for as long as its ref is good; `host` is the incarnation that is its parent.

    Without a name it is a directory's: what becomes of it concerns its key alone.
    """

    __slots__ = (
        "_begun",
        "_create",
        "_decision",
        "_ended",
        "_first",
        "_follows",
        "_history",
        "_pause",
        "_policy",
        "_started",
        "_watches",
        "born",
        "common",
        "ending",
        "host",
        "is_leaf",
        "killed",
        "kind",
        "life",
        "mailbox",
        "name",
        "path",
        "recalled",
        "ref",
        "restarts",
        "tells_time",
        "told",
    )

    def __init__(
        self,
        common: Common,
        host: "Incarnation[Any] | None",
        path: str,
        name: str | None,
        actor: "Actor[M]",
        *,
        create: "Callable[[], Actor[M]] | None" = None,
        policy: Policy = TEMPORARY,
        follows: "Cell[M] | None" = None,
        tells_time: bool = False,
    ) -> None:
        self.common = common
        self.host = host
        self.path = path
        self.name = name
        self.tells_time = tells_time
        self.born = trio.current_time()
        self.ending: Ending | None = None
        self.told = False
        self.killed = False
        self.recalled = False
        self.restarts = 0
        self.life: Incarnation[M] = Incarnation(self)
        self.kind = type(actor).__name__
        self.is_leaf = actor.is_leaf
        self.mailbox: Mailbox[M] = Mailbox(path, actor.mailbox_size)
        self.ref: Ref[M] = Ref(self)
        self._first: Actor[M] | None = actor
        self._create = create
        self._policy = policy
        self._follows = follows
        self._history: Restarts | None = None
        self._begun = False
        self._decision: Decision = End()
        self._ended: trio.Event | None = None
        self._pause: trio.CancelScope | None = None
        self._started: trio.TaskStatus[Ref[M]] = trio.TASK_STATUS_IGNORED
        self._watches: dict[Watch[Ending], None] | None = None

    # The task

    async def run(self, task_status: trio.TaskStatus[Ref[M]]) -> None:
        """Live until the end for good.

        Raises:
            StartFailed: there is a spawner, and the first start failed.
        """
        self._started = task_status
        spawned = task_status is not trio.TASK_STATUS_IGNORED
        del task_status  # it holds on to the spawner's nursery
        try:
            if self._follows is not None:
                # To that end in any case, or the next one would not know of it. It is bounded: who
                # is followed is at its end.
                with trio.CancelScope(shield=True):
                    await self._follows.ended.wait()
            if not self.told:
                await self.life.live()
            while await self._comes_back():
                await self.life.live()
        finally:
            self._end()
        if spawned and not self._begun:
            raise StartFailed(self.path) from self._start_error

    async def _comes_back(self) -> bool:
        decision = self._decision
        if self._is_over or not isinstance(decision, RestartAfter):
            return False
        self.common.observer.restarting(self.path, self.life.ending, decision.seconds)
        together = self.host.together if self.host is not None and self.is_together else None
        if together is None:
            wait = partial(trio.sleep, decision.seconds)
        else:
            wait = partial(together.rejoin, self, None if self.recalled else decision.seconds)
        if not await self._wait(wait):
            return False
        self.restarts += 1
        if not self.recalled and self._history is not None:
            self._history.begun(trio.current_time())
        self.common.observer.restarted()
        self.recalled = False
        self._decision = End()
        self.life = Incarnation(self)
        return True

    async def _wait(self, what: Callable[[], Awaitable[None]]) -> bool:
        """Wait for something; return whether this actor is still to live after it."""
        with trio.CancelScope() as self._pause:
            if self._is_over:
                self._pause.cancel()
            await what()
        self._pause = None
        return not self._is_over

    @property
    def _is_over(self) -> bool:
        return self.told or (self.host is not None and self.host.is_stopping)

    def _end(self) -> None:
        self._close_mailbox()
        self._follows = self._create = self._first = None
        ending = self.ending = self.life.ending
        host = self.host
        if host is not None:
            host.disown(self)
            if host.together is not None:
                host.together.leave(self)
        if self._ended is not None:
            self._ended.set()
        watches, self._watches = self._watches, None
        for watch in watches or ():
            watch.fire(ending)
        if (
            isinstance(self._decision, Escalate)
            and not self.told
            and self.name is not None
            and host is not None
        ):
            policy = self._decision.policy
            limit = RestartLimit(self.path, policy.restarts, policy.seconds)
            host.fail(caused(limit, ending.error) if isinstance(ending, Crashed) else limit)
        self.common.observer.ended(self.path, ending)

    def _close_mailbox(self) -> None:
        """Take no more messages and answer those that were accepted and not begun."""
        unread = self.mailbox.close()
        if not unread:
            return
        error = self._start_error
        for envelope in unread:
            if envelope.port is None:
                continue
            if error is not None:
                envelope.port.fail(caused(StartFailed(self.path), error))
            else:
                envelope.port.fail(ActorStopped(self.path))
        for envelope in unread:
            if envelope.port is None:
                self.common.observer.dead_letter(self.path, envelope.message)

    @property
    def _start_error(self) -> BaseException | None:
        ending = self.life.ending
        return ending.error if not self._begun and isinstance(ending, Crashed) else None

    # What its incarnation reports

    def actor(self) -> "Actor[M]":
        """Return the actor that lives next."""
        first, self._first = self._first, None
        if first is not None:
            return first
        assert self._create is not None, "only who can be created again is restarted"
        return self._create()

    def has_begun(self, actor: "Actor[M]") -> None:
        """Tell all who wait for the start that it is done."""
        self._begun = True
        started, self._started = self._started, trio.TASK_STATUS_IGNORED
        started.started(self.ref)
        if self.host is not None and self.host.together is not None:
            self.host.together.is_up(self)
        self.common.observer.started(self.path, actor, self.restarts)

    def leaves(self) -> None:
        """Take no more messages, for the actor stops by itself; unless it is permanent."""
        if not isinstance(self._policy, Permanent):
            self._close_mailbox()

    def is_ending(self, ending: Ending) -> None:
        """Decide what follows this incarnation; if that is nothing, take no more messages."""
        self._decision = self._decide(ending)
        if not isinstance(self._decision, RestartAfter):
            self._close_mailbox()

    def _decide(self, ending: Ending) -> Decision:
        if not self.mailbox.is_open:  # it has said that it ends for good, whatever came after that
            return End()
        if self.recalled and not self._is_over:
            return RestartAfter(0)
        if not self._begun or isinstance(self._policy, Temporary):
            return End()
        if self._history is None:
            self._history = Restarts()
        now, random = trio.current_time(), self.common.random
        return decide(self._policy, ending, self._history, now, random, told=self._is_over)

    def is_failing(self) -> None:
        """Cancel the system's body if this is the root, in the same step: before any other end."""
        if self.host is None:
            self.common.body.cancel()

    # What it is told

    def stop(self) -> None:
        """End for good after the message in hand; what waits is answered now."""
        if not self.told:
            self.told = True
            self._close_mailbox()
            self.life.stop()
            self._cut_wait()

    def kill(self) -> None:
        """End for good where it stands; does nothing after that end."""
        self.told = self.killed = True
        if self.ending is None:
            self._close_mailbox()
            self.life.kill()
            self._cut_wait()

    def passivate(self) -> None:
        """End for good, being idle: in one step, so that no message comes in between."""
        assert self.life.is_idle
        self.common.observer.passivated(self.path)
        self.stop()

    def recall(self) -> None:
        """End this incarnation after the message in hand, to begin the next with its siblings'."""
        if not self.life.is_over:
            self.recalled = True
            self.life.stop()

    def cut(self) -> None:
        """End this incarnation where it stands, to begin the next with its siblings'."""
        self.recalled = self.recalled or not self.life.is_over
        self.life.kill()

    def _cut_wait(self) -> None:
        if self._pause is not None:
            self._pause.cancel()

    # What others want to know of it

    @property
    def log(self) -> "FilteringBoundLogger":
        """The system's log, with this actor's path."""
        return self.common.observer.log.bind(actor=self.path)

    def say(self, level: Level, event: str, **fields: object) -> None:
        """Log a line of the runtime about this actor."""
        self.common.observer.say(level, event, self.path, **fields)

    @property
    def ended(self) -> trio.Event:
        """Set at the end for good."""
        if self._ended is None:
            self._ended = trio.Event()
            if self.ending is not None:
                self._ended.set()
        return self._ended

    @property
    def is_waiting_to_restart(self) -> bool:
        """Whether it is between two incarnations."""
        return self._pause is not None

    @property
    def is_together(self) -> bool:
        """Whether a one-for-all parent restarts it with its siblings."""
        return self.name is not None and not isinstance(self._policy, Temporary)

    @property
    def clean_by(self) -> float:
        """The time by which its clean-up must be done for the sake of those above it."""
        host = self.host
        if host is None:
            return math.inf
        own = math.inf if host.children is None else host.children.clean_by
        return min(own, host.cell.clean_by)

    def join(self, watch: "Watch[Ending]") -> None:
        """Have a watch fire at the end; at once if that has been."""
        if self.ending is not None:
            watch.fire(self.ending)
        else:
            if self._watches is None:
                self._watches = {}
            watch.join(self._watches)
