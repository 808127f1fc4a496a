"""Actors by key: activated by the first message, at most one incarnation of a key at any time.

Activation is one step without an await, so the first message of a key and all that follow it stand
in one mailbox in the order in which they came, and no key ever waits for another.
"""

from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from greenroom.runtime.actor import Actor
from greenroom.runtime.cell import TEMPORARY
from greenroom.runtime.errors import NotAccepted, RuntimeFault
from greenroom.runtime.mailbox import Envelope
from greenroom.runtime.message import Message
from greenroom.runtime.ref import Recipient
from greenroom.runtime.spawn import activate
from greenroom.runtime.supervision import Policy
from greenroom.runtime.sweep import Sweep

if TYPE_CHECKING:
    from greenroom.runtime.cell import Cell
    from greenroom.runtime.ending import Ending
    from greenroom.runtime.incarnation import Incarnation

K = TypeVar("K", bound=Hashable)
M = TypeVar("M", bound=Message)


class DirectoryFull(RuntimeFault):
    """The bound on live actors is reached, and the key has none alive."""

    def __init__(self, path: str, limit: int) -> None:
        super().__init__(f"{path} has its {limit} actors alive")
        self.path = path
        self.limit = limit


class Directory(Generic[K, M]):
    """The live actors of one kind, by key; their parent is the actor that hosts it.

    `create` builds the actor of a key, without I/O: what has to be read belongs into `on_start`.
    At most `limit` keys are alive. After `idle` seconds in which nothing happened to it, and before
    twice that, an actor is passivated; without `idle`, none is. `policy` says whether a crashed actor
    is restarted with its mailbox; a failure past its limit concerns its key alone.
    Messages to a directory that nobody hosts, or no more, are not accepted.
    """

    def __init__(
        self,
        create: Callable[[K], Actor[M]],
        *,
        limit: int,
        idle: float | None = None,
        policy: Policy = TEMPORARY,
    ) -> None:
        self._create = create
        self._limit = limit
        self._policy = policy
        self._host: Incarnation[Any] | None = None
        self._cells: dict[K, Cell[M]] = {}
        self._idle = idle
        self._sweep: Sweep | None = None if idle is None else Sweep(idle)

    def address(self, key: K) -> "Address[K, M]":
        """Name the actor of `key`, alive or not."""
        return Address(self, key)

    @property
    def live(self) -> int:
        """How many keys are alive now."""
        return len(self._cells)

    def rebound(self, *, limit: int, idle: float | None = None) -> None:
        """Have other bounds from now on: those alive beyond `limit` stay; no `idle` leaves it as it is.

        A directory that passivates none goes on so.
        """
        self._limit = limit
        if idle is not None and self._sweep is not None:
            self._idle = self._sweep.idle = idle

    def keys(self) -> tuple[K, ...]:
        """Return the keys that are alive now, oldest first."""
        return tuple(self._cells)

    def attach(self, host: "Incarnation[Any]") -> None:
        """Make `host` the parent from now on; `Actor.host` is the verb for it."""
        if self._host is not None and not self._host.is_stopping:
            msg = f"this directory is hosted by {self._host.cell.path} already"
            raise ValueError(msg)
        nursery = host.nursery
        self._host = host
        if self._idle is not None:
            # A new one: the last host may be ending still, and sweep what it has itself.
            self._sweep = Sweep(self._idle)
            nursery.start_soon(self._sweep.run)

    def activate(self, key: K) -> "Cell[M]":
        """Return the cell of `key` that takes messages; begin one if there is none.

        An actor at its end is followed by the next, which has its mailbox open from now on and
        begins after that end.

        Raises:
            NotAccepted: nobody hosts the directory.
            DirectoryFull: the key has no live actor and the bound is reached.
        """
        last = self._cells.get(key)
        if last is not None and last.mailbox.is_open:
            return last
        host = self._host
        if host is None or host.is_stopping:
            raise NotAccepted(str(key))
        if last is None and len(self._cells) >= self._limit:
            raise DirectoryFull(host.cell.path, self._limit)
        cell = activate(
            host,
            str(key),
            partial(self._create, key),
            policy=self._policy,
            follows=last,
            tells_time=self._sweep is not None,
        )
        self._cells[key] = cell
        cell.ref.on_end(partial(self._forget, key, cell))
        if self._sweep is not None:
            self._sweep.add(cell, len(self._cells))
        return cell

    def _forget(self, key: K, cell: "Cell[M]", _: "Ending") -> None:
        if self._cells.get(key) is cell:
            del self._cells[key]


class Address(Recipient[M], Generic[K, M]):
    """An actor by its key: the verbs of a ref, and whoever is not alive is activated.

    A message that meets an incarnation at its end goes to the next one.
    """

    __slots__ = ("_directory", "_key")

    def __init__(self, directory: Directory[K, M], key: K) -> None:
        self._directory = directory
        self._key = key

    @property
    def path(self) -> str:
        return str(self._key)

    def tell(self, message: M) -> None:
        self._directory.activate(self._key).mailbox.put_nowait(Envelope(message))

    async def put(self, envelope: Envelope[M]) -> None:
        while True:
            try:
                await self._directory.activate(self._key).mailbox.put(envelope)
            except NotAccepted:
                if not envelope.turned_away:
                    raise
                envelope.turned_away = False
            else:
                return
