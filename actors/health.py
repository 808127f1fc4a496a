"""Whether an upstream deserves calls at this moment: a pure decision over failures and times.

What failed `failures` times in a row rests. When the rest is over one call may try, the probe; its good
answer ends the matter, its failure begins a longer rest. A model rests by itself, so that one that
is overloaded never shuts out its neighbours; what the whole upstream is to blame for, such as a
refused key or an address where nothing answers, rests it whole.
"""

from collections import OrderedDict
from enum import StrEnum
from random import Random
from typing import assert_never

import msgspec

from greenroom.actors.failure import UNREACHABLE, Failure, FailureKind
from greenroom.actors.settings import Cooldown

MOST_MODELS = 256
"""Models that are kept count of; the one whose last failure is oldest goes first."""


class Standing(StrEnum):
    """How an upstream, or one of its models, stands."""

    UP = "up"
    RESTING = "resting"
    PROBED = "probed"


class Verdict(StrEnum):
    """What a failure tells about the upstream that gave it."""

    ALIVE = "alive"
    """It is well; the request was not."""
    NOTHING = "nothing"
    MODEL = "model"
    """The model that was asked is in trouble."""
    WHOLE = "whole"
    """All of the upstream is."""


class Rest(msgspec.Struct, frozen=True):
    """Something begins to rest: the model named, or the whole upstream; `seconds` from now."""

    model: str | None
    seconds: float
    failures: int
    last: Failure


class Recovered(msgspec.Struct, frozen=True):
    """Something that rested gives answers again: the models named, None for the whole upstream."""

    scopes: tuple[str | None, ...]


class Resting(msgspec.Struct, frozen=True):
    """The answer to a call that may not be made: why, and for how many seconds that lasts."""

    model: str | None
    seconds: float
    last: Failure


class _Record:
    """The failures in a row of one thing."""

    __slots__ = ("failures", "last", "probe", "rests", "until")

    def __init__(self, last: Failure) -> None:
        self.failures = 0
        self.rests = 0
        self.until: float | None = None
        self.probe: int | None = None
        self.last = last

    def standing(self, now: float) -> Standing:
        if self.until is None:
            return Standing.UP
        return Standing.RESTING if now < self.until or self.probe is None else Standing.PROBED


class Health:
    """The health of one upstream; calls are known by a number that the caller gives them."""

    def __init__(self, settings: Cooldown, random: Random) -> None:
        self._settings = settings
        self._random = random
        self._records: OrderedDict[str | None, _Record] = OrderedDict()

    def admit(self, call: int, model: str, now: float) -> Resting | None:
        """Let a call begin, possibly as the probe; or say why it may not."""
        due: list[_Record] = []
        for scope in (None, model):
            record = self._records.get(scope)
            if record is None or record.until is None:
                continue
            if now < record.until or record.probe is not None:
                return Resting(scope, max(record.until - now, 0.0), record.last)
            due.append(record)
        for record in due:
            record.probe = call
        return None

    def is_probe(self, call: int) -> bool:
        """Say whether others wait for what becomes of this call."""
        # There is no record while all is well.
        return bool(self._records) and any(
            record.probe == call for record in self._records.values()
        )

    def ended(
        self, call: int, model: str, failure: Failure | None, now: float
    ) -> Rest | Recovered | None:
        """Take in how a call went, without a failure if it was well; return what changes by it."""
        if failure is None:
            return self._answered(call, model)
        match verdict(failure):
            case Verdict.ALIVE:
                return self._answered(call, model)
            case Verdict.NOTHING:
                self.left(call)
                return None
            case Verdict.WHOLE:
                return self._failed(call, None, failure, now)
            case Verdict.MODEL:
                return self._failed(call, model, failure, now)

    def left(self, call: int) -> None:
        """Take it that a call has ended without a word about its upstream."""
        for record in self._records.values():
            if record.probe == call:
                record.probe = None

    def standings(self, now: float) -> dict[str | None, Standing]:
        """Return how all that is not up stands, by model; None is the whole upstream."""
        return {
            scope: standing
            for scope, record in self._records.items()
            if (standing := record.standing(now)) is not Standing.UP
        }

    def _answered(self, call: int, model: str) -> Recovered | None:
        recovered: list[str | None] = []
        for scope in (None, model):
            record = self._records.get(scope)
            # An answer that was begun before the rest says nothing about now.
            if record is not None and (record.until is None or record.probe == call):
                del self._records[scope]
                if record.until is not None:
                    recovered.append(scope)
        return Recovered(tuple(recovered)) if recovered else None

    def _failed(self, call: int, scope: str | None, failure: Failure, now: float) -> Rest | None:
        record = self._records.get(scope)
        if record is None:
            record = self._records[scope] = _Record(failure)
            if len(self._records) > MOST_MODELS:
                self._records.popitem(last=False)
        self._records.move_to_end(scope)
        record.last = failure
        record.failures += 1
        was_probe = record.probe == call
        self.left(call)
        if record.until is not None and not was_probe:
            return None  # it was begun before the rest
        enough = self._settings.failures
        if not was_probe and (not enough or record.failures < enough):
            return None
        seconds = self._rest(record, failure)
        record.until = now + seconds
        return Rest(scope, seconds, record.failures, failure)

    def _rest(self, record: _Record, failure: Failure) -> float:
        settings = self._settings
        full = min(settings.seconds * 2.0 ** min(record.rests, 32), settings.most)
        record.rests += 1
        asked = min(failure.retry_after or 0.0, settings.most)
        return max(asked, full * (1 - 0.2 * self._random.random()))


def verdict(failure: Failure) -> Verdict:
    """Say what a failure tells about its upstream."""
    if failure.code == UNREACHABLE:
        return Verdict.WHOLE
    match failure.kind:
        case FailureKind.UPSTREAM_AUTHENTICATION | FailureKind.UPSTREAM_QUOTA:
            return Verdict.WHOLE
        case (
            FailureKind.UPSTREAM_RATE_LIMITED
            | FailureKind.UPSTREAM_OVERLOADED
            | FailureKind.UPSTREAM_TIMEOUT
            | FailureKind.UPSTREAM_ERROR
        ):
            return Verdict.MODEL
        case FailureKind.UPSTREAM_REJECTED | FailureKind.NOT_FOUND:
            return Verdict.ALIVE
        case (
            FailureKind.INVALID_REQUEST
            | FailureKind.BUSY
            | FailureKind.STOPPING
            | FailureKind.INTERRUPTED
            | FailureKind.CONFLICT
            | FailureKind.STORE
            | FailureKind.INTERNAL
        ):
            return Verdict.NOTHING
        case _:
            assert_never(failure.kind)
