"""Which model is asked next when a call fails before its first word: pure, a failure in, a step out.

| the failure | the same model again | the next model |
|---|---|---|
| the request itself is wrong | no | no, but after another fallback |
| no such model, no key, no money, no answer in time | no | yes |
| our own bounds: too many calls, a resting upstream, a crash | no | yes |
| slow down, overloaded, broken | yes, if it asks for no long wait | yes |
"""

from collections.abc import Sequence
from enum import Enum, auto
from random import Random
from typing import assert_never

import msgspec

from greenroom.actors.failure import Failure, FailureKind
from greenroom.actors.settings import Retry
from greenroom.actors.turn import Route


class Again(msgspec.Struct, frozen=True):
    """Ask the route's model, after so many seconds."""

    route: Route
    seconds: float = 0.0


class GiveUp(msgspec.Struct, frozen=True):
    """Tell the caller; it is the first model's failure, for that one was asked for."""

    failure: Failure


Step = Again | GiveUp


class _Remedy(Enum):
    NONE = auto()
    ANOTHER = auto()
    SAME = auto()


class Attempts:
    """The attempts of one model call; `count` is how many were begun."""

    __slots__ = ("_first", "_has_switched", "_left", "_of_this", "_random", "count")

    def __init__(self, route: Route, fallbacks: Sequence[Route], random: Random) -> None:
        self._left = [route, *fallbacks]
        self._random = random
        self._of_this = 0
        self._first: Failure | None = None
        self._has_switched = False
        self.count = 0

    @property
    def has_others(self) -> bool:
        """Whether there is another model to ask after this one."""
        return len(self._left) > 1

    def begin(self) -> Route:
        """Count an attempt and return its route."""
        self.count += 1
        self._of_this += 1
        return self._left[0]

    def failed(self, failure: Failure, retry: Retry | None) -> Step:
        """Decide what follows; `retry` is what the provider allows, None if no call was begun."""
        if self._first is None:
            self._first = failure
        remedy = _remedy(failure)
        if remedy is _Remedy.NONE and not self._has_switched:
            return GiveUp(failure)
        if remedy is _Remedy.SAME and retry is not None and self._of_this <= retry.times:
            wait = self._wait(failure, retry)
            if wait <= retry.most:
                return Again(self._left[0], wait)
        if len(self._left) == 1:
            return GiveUp(self._first if self._first.kind in _TELLING else failure)
        del self._left[0]
        self._of_this, self._has_switched = 0, True
        return Again(self._left[0])

    def _wait(self, failure: Failure, retry: Retry) -> float:
        own = min(retry.first * 2.0 ** (self._of_this - 1), retry.most)
        own *= 1 - 0.25 * self._random.random()
        return own if failure.retry_after is None else max(failure.retry_after, own)


_TELLING = frozenset(FailureKind) - {FailureKind.BUSY, FailureKind.INTERNAL}
"""What is worth telling of the first model when the last has failed as well."""


def _remedy(failure: Failure) -> _Remedy:
    match failure.kind:
        case (
            FailureKind.INVALID_REQUEST
            | FailureKind.UPSTREAM_REJECTED
            | FailureKind.STOPPING
            | FailureKind.INTERRUPTED
            | FailureKind.CONFLICT
            | FailureKind.STORE
        ):
            return _Remedy.NONE
        case (
            FailureKind.NOT_FOUND
            | FailureKind.UPSTREAM_AUTHENTICATION
            | FailureKind.UPSTREAM_QUOTA
            | FailureKind.UPSTREAM_TIMEOUT
            | FailureKind.BUSY
            | FailureKind.INTERNAL
        ):
            return _Remedy.ANOTHER
        case (
            FailureKind.UPSTREAM_RATE_LIMITED
            | FailureKind.UPSTREAM_OVERLOADED
            | FailureKind.UPSTREAM_ERROR
        ):
            return _Remedy.SAME
        case _:
            assert_never(failure.kind)
