"""What is resident: after a start, with streams open, and of sessions that were put away."""

import re
import time
import urllib.request

from bench.http import processes
from bench.http.contenders import Running
from bench.http.load import Held, NotAnswered, ask_once
from bench.http.plan import Memory, Sizes

_MIB = 1024 * 1024
_PATIENCE = 60.0
_LIVE = re.compile(rb"greenroom_sessions_live\{[^}]*\} (\d+)")


def look(gateway: Running, sizes: Sizes, upstream: int) -> Memory:
    """Look at a gateway that has only just come up; `upstream` is the port that it asks."""
    cold = processes.resident(gateway.pid)
    held = Held(gateway.target, sizes.open, upstream)
    opened = processes.resident(gateway.pid)
    held.close()
    asleep = _asleep(gateway, sizes.sessions) if gateway.name == "greenroom" else None
    return Memory(gateway.name, cold, opened, asleep)


def _asleep(gateway: Running, sessions: int) -> float:
    """Return the bytes that each of so many sessions leaves behind when it is put away.

    As many go before: what is imported, cached and free for the next ones is no session's.
    """
    before = _touched(gateway, 0, sessions)
    return (_touched(gateway, sessions, sessions) - before) * _MIB / sessions


def _touched(gateway: Running, first: int, count: int) -> float:
    """Take a turn in each of so many sessions; return the MiB once all are put away."""
    for number in range(first, first + count):
        ask_once(gateway.target, "whole", {"x-openclaw-session-key": f"s{number}"})
    until = time.monotonic() + _PATIENCE
    while _live(gateway):
        if time.monotonic() > until:
            raise NotAnswered("sessions stay in memory")
        time.sleep(0.1)
    return processes.resident(gateway.pid)


def _live(gateway: Running) -> int:
    request = urllib.request.Request(  # noqa: S310 - a gateway that was just started
        f"{gateway.base}/metrics", headers=dict(gateway.target.headers)
    )
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
        return sum(map(int, _LIVE.findall(answer.read())))
