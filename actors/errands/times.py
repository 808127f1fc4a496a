"""When reminders are due: cron expressions, in UTC; pure."""

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError


def next_time(cron: str, after: float) -> float:
    """Return when an expression is next true after a time, in Unix seconds.

    Raises:
        ValueError: it is no expression, or never true.
    """
    try:
        return next(CronSim(cron, datetime.fromtimestamp(after, UTC))).timestamp()
    except (CronSimError, StopIteration) as error:
        why = str(error) or "it is never true"
        raise ValueError(
            f"{cron!r} is no schedule: {why}; use five fields as cron has them, such as '0 7 * * 1-5'"
        ) from None
