"""Actors by key: activated by the first message, at most one incarnation of a key at any time.

Activation is one step without an await, so the first message of a key and all that follow it stand
in one mailbox in the order in which they came, and no key ever waits for another.
"""

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from greenroom.runtime.actor import Actor
from greenroom.runtime.errors import NotAccepted, RuntimeFault
from greenroom.runtime.mailbox import Envelope
from greenroom.runtime.message import Message
from greenroom.runtime.ref import Recipient

if TYPE_CHECKING:
    from greenroom.runtime.cell import Cell

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
    Messages to a directory that nobody hosts, or no more, are not accepted.
    """

    def __init__(self, create: Callable[[K], Actor[M]], *, limit: int) -> None:
        self._create = create
        self._limit = limit
        self._host: Cell[Any] | None = None
        self._cells: dict[K, Cell[M]] = {}

    def address(self, key: K) -> "Address[K, M]":
        """Name the actor of `key`, alive or not."""
        return Address(self, key)

    @property
    def live(self) -> int:
        """How many actors are alive now."""
        return len(self._cells)

    def keys(self) -> tuple[K, ...]:
        """Return the keys that are alive now, oldest first."""
        return tuple(self._cells)

    def attach(self, host: "Cell[Any]") -> None:
        """Make `host` the parent from now on; `Actor.host` is the verb for it."""
        self._host = host

    def activate(self, key: K) -> "Cell[M]":
        """Return the cell of `key`, which may be about to end; begin one if there is none.

        Raises:
            NotAccepted: nobody hosts the directory.
            DirectoryFull: the key has no live actor and the bound is reached.
        """
        cell = self._cells.get(key)
        if cell is not None and cell.ending is None:
            return cell
        host = self._host
        if host is None or not host.mailbox.is_open:
            raise NotAccepted(str(key))
        if cell is None and len(self._cells) >= self._limit:
            raise DirectoryFull(host.path, self._limit)
        cell = host.activate(self._create(key), str(key))
        self._cells[key] = cell
        cell.on_end(lambda _: self._forget(key, cell))
        return cell

    def _forget(self, key: K, cell: "Cell[M]") -> None:
        if self._cells.get(key) is cell:
            del self._cells[key]


class Address(Recipient[M], Generic[K, M]):
    """An actor by its key: the verbs of a ref, and whoever is not alive is activated.

    A message that meets an incarnation at its end waits for that end and goes to the next one.
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
            cell = self._directory.activate(self._key)
            try:
                await cell.mailbox.put(envelope)
            except NotAccepted:
                envelope.turned_away = False
                await cell.ended.wait()
            else:
                return
