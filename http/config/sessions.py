"""Sessions: their bounds, when they begin anew, and how long the store keeps them."""

from datetime import time

from greenroom.actors.lifetime import Lifetime
from greenroom.actors.settings import SessionLimits
from greenroom.actors.stores.records import Retention
from greenroom.http.config import schema
from greenroom.http.config.findings import Findings

_DAILY = ("sessions", "reset", "dailyAt")


def resolve_sessions(sessions: schema.Sessions, findings: Findings) -> SessionLimits:
    """Return the bounds of sessions, and their lifetime."""
    idle = sessions.reset.idle_minutes
    return SessionLimits(
        waiting_turns=sessions.max_waiting_turns,
        live_sessions=sessions.max_live,
        idle=sessions.idle_seconds,
        lifetime=Lifetime(
            idle=None if idle is None else idle * 60,
            daily=_time_of_day(sessions.reset.daily_at, findings),
        ),
    )


def resolve_retention(retention: schema.RetentionSection) -> Retention:
    """Return how long the store keeps what."""
    days = retention.idle_days
    return Retention(
        max_idle=None if days is None else days * 86_400,
        max_bytes=retention.max_bytes,
        replay=retention.replay_hours * 3600,
    )


def _time_of_day(text: str | None, findings: Findings) -> time | None:
    if text is None:
        return None
    hours, _, minutes = text.partition(":")
    try:
        return time.fromisoformat(f"{hours:0>2}:{minutes}")
    except ValueError:
        findings.problem(
            _DAILY, f'expected a time of day like "04:00", got {findings.shown(_DAILY)}'
        )
        return None
