"""One actor's eye on another's end: known to both sides, and gone from both once either has ended."""

from collections.abc import Callable

from greenroom.runtime.ending import Ending


class Watch:
    """Fires once; `mine` is where its owner keeps its watches, if it has to be rid of them."""

    __slots__ = ("_mine", "_tell", "_theirs")

    def __init__(self, mine: "dict[Watch, None] | None", tell: Callable[[Ending], None]) -> None:
        self._mine = mine
        self._tell = tell
        self._theirs: dict[Watch, None] | None = None

    def join(self, theirs: "dict[Watch, None]") -> None:
        """Stand among the watches of a living actor."""
        self._theirs = theirs
        theirs[self] = None
        if self._mine is not None:
            self._mine[self] = None

    def fire(self, ending: Ending) -> None:
        """Tell the owner."""
        if self._mine is not None:
            self._mine.pop(self, None)
        self._theirs = None
        self._tell(ending)

    def leave(self) -> None:
        """Be told nothing any more."""
        if self._theirs is not None:
            self._theirs.pop(self, None)
            self._theirs = None
