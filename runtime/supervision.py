"""What becomes of a child whose incarnation has ended: a pure decision, written as a table.

It knows endings, policies and times; it starts, stops and waits for nothing.
"""

from collections import deque
from enum import Enum
from random import Random
from typing import assert_never

import msgspec

from greenroom.runtime.ending import Ending, Finished, Killed


def _check_limit(restarts: int, seconds: float) -> None:
    _check("restarts", restarts, "at least 0", holds=restarts >= 0)
    _check("seconds", seconds, "more than 0", holds=seconds > 0)


def _check(name: str, value: float, wanted: str, *, holds: bool) -> None:
    if not holds:
        msg = f"{name} is {value}; it must be {wanted}"
        raise ValueError(msg)


class Backoff(msgspec.Struct, frozen=True):
    """How long to wait before a restart, in seconds.

    The n-th within a policy's stretch waits `first * factor ** (n - 1)`, `most` at most, made shorter
    by a random share of up to `jitter` (0 to 1), so that what failed together does not return together.
    """

    first: float = 0.1
    factor: float = 2.0
    most: float = 30.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        _check("first", self.first, "at least 0", holds=self.first >= 0)
        _check("factor", self.factor, "at least 1", holds=self.factor >= 1)
        _check("most", self.most, "at least `first`", holds=self.most >= self.first)
        _check("jitter", self.jitter, "between 0 and 1", holds=0 <= self.jitter <= 1)

    def wait(self, nth: int, random: Random) -> float:
        """Return the seconds to wait before the `nth` restart, counted from 1."""
        try:
            full = min(self.most, self.first * self.factor ** (nth - 1))
        except OverflowError:
            full = self.most if self.first else 0.0
        return full * (1 - self.jitter * random.random())


class Temporary(msgspec.Struct, frozen=True):
    """Never restarted."""


class Transient(msgspec.Struct, frozen=True):
    """Restarted after a crash: `restarts` times in any `seconds`, then the failure escalates."""

    restarts: int = 3
    seconds: float = 60.0
    backoff: Backoff = Backoff()

    def __post_init__(self) -> None:
        _check_limit(self.restarts, self.seconds)


class Permanent(msgspec.Struct, frozen=True):
    """Restarted unless it was told to end, with the same limit as `Transient`."""

    restarts: int = 3
    seconds: float = 60.0
    backoff: Backoff = Backoff()

    def __post_init__(self) -> None:
        _check_limit(self.restarts, self.seconds)


Restarted = Permanent | Transient
Policy = Restarted | Temporary


class Strategy(Enum):
    """Who is restarted when one supervised child has to be."""

    ONE_FOR_ONE = "one for one"
    ONE_FOR_ALL = "one for all"


class End(msgspec.Struct, frozen=True):
    """The actor has ended for good."""


class RestartAfter(msgspec.Struct, frozen=True):
    """The next incarnation begins after so many seconds."""

    seconds: float


class Escalate(msgspec.Struct, frozen=True):
    """The limit is reached: the actor has ended, and its parent fails."""

    policy: Restarted


Decision = End | RestartAfter | Escalate


def decide(
    policy: Policy, ending: Ending, restarts: "Restarts", now: float, random: Random, *, told: bool
) -> Decision:
    """Decide what follows an incarnation's end; `told` says that the actor was told to end."""
    if told or isinstance(ending, Killed):  # a kill that nobody ordered is its parent's end
        return End()
    match policy:
        case Temporary():
            return End()
        case Transient() if isinstance(ending, Finished):
            return End()
        case Transient() | Permanent():
            return restarts.another(policy, now, random)
        case _:
            assert_never(policy)


class Restarts:
    """The restarts of one child that still count."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def another(self, policy: Restarted, now: float, random: Random) -> RestartAfter | Escalate:
        """Decide whether there may be one more after a failure at `now`, in seconds."""
        while self._times and self._times[0] <= now - policy.seconds:
            self._times.popleft()
        if len(self._times) >= policy.restarts:
            return Escalate(policy)
        return RestartAfter(policy.backoff.wait(len(self._times) + 1, random))

    def begun(self, now: float) -> None:
        """Count a restart, at the moment when it begins."""
        self._times.append(now)
