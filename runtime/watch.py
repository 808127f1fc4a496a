"""An actor's eye on something that ends once: known to both sides, and gone from both after it."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Watch(Generic[T]):
    """Fires once; `mine` is where its owner keeps its watches, if it has to be rid of them."""

    __slots__ = ("_mine", "_tell", "_theirs")

    def __init__(self, mine: "dict[Watch[Any], None] | None", tell: Callable[[T], None]) -> None:
        self._mine = mine
        self._tell: Callable[[T], None] | None = tell
        self._theirs: dict[Watch[T], None] | None = None
        if mine is not None:
            mine[self] = None

    def join(self, theirs: "dict[Watch[T], None]") -> None:
        """Stand among the watches of who is watched."""
        self._theirs = theirs
        theirs[self] = None

    def fire(self, how: T) -> None:
        """Tell the owner, if it has not left."""
        if self._mine is not None:
            self._mine.pop(self, None)
        self._theirs = None
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(how)

    def leave(self) -> None:
        """Be told nothing any more."""
        self._tell = None
        if self._theirs is not None:
            self._theirs.pop(self, None)
            self._theirs = None
