"""When a session begins anew by itself: pure, times in, a verdict out; all of it is off by default."""

from datetime import datetime, time, timedelta

import msgspec


class Lifetime(msgspec.Struct, frozen=True):
    """`idle` resets a session after so many seconds without a turn, `daily` at that local time of day."""

    idle: float | None = None
    daily: time | None = None


def is_over(lifetime: Lifetime, active: float, now: float) -> bool:
    """Say whether a session that was last active at `active` begins anew at `now`; Unix seconds."""
    if lifetime.idle is not None and now - active >= lifetime.idle:
        return True
    return lifetime.daily is not None and active < _last(lifetime.daily, now) <= now


def _last(of_day: time, now: float) -> float:
    """Return the last moment, at or before `now`, at which the clock showed that time of day."""
    today = datetime.fromtimestamp(now).astimezone()
    at = datetime.combine(today.date(), of_day).astimezone()
    if at > today:
        at = datetime.combine(today.date() - timedelta(days=1), of_day).astimezone()
    return at.timestamp()
