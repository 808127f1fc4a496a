"""Which pages may call a gateway from a browser (Fetch, RFC 6454). Pure.

A browser says with `origin` where the page is from that makes a request. One of another site is refused,
whatever it asks, unless its origin is in the list; so no page can have the gateway do what it may not
see. Nobody but browsers sends that header.
"""

import re
from collections.abc import Iterable

from greenroom.http.exchange import Header

_REQUESTED = re.compile(r"[a-z0-9-]{1,64}")
_HEADERS = frozenset(
    {
        "accept",
        "api-key",
        "authorization",
        "content-type",
        "idempotency-key",
        "openai-beta",
        "openai-organization",
        "openai-project",
        "user-agent",
        "x-api-key",
        "x-request-id",
    }
)
_FAMILIES = ("x-greenroom-", "x-openclaw-", "x-stainless-")
_MOST_REQUESTED = 64
_EXPOSED = (
    b"retry-after, retry-after-ms, x-greenroom-agent, x-greenroom-attempt, x-greenroom-cost, "
    b"x-greenroom-model, x-greenroom-provider, x-greenroom-queued, x-greenroom-replayed, "
    b"x-greenroom-session-key, x-greenroom-turn, x-request-id, x-should-retry"
)


class Origins:
    """The origins in the list; `*` stands for all."""

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._listed = frozenset(origin.lower().removesuffix("/") for origin in listed)

    def allow(self, origin: str) -> bool:
        """Tell whether the pages of an origin may call, and read what they get."""
        return origin.lower() in self._listed or "*" in self._listed

    def headers(self, origin: str) -> list[Header]:
        """Return what lets a listed origin's pages read an answer; cookies play no part in it."""
        allowed = b"*" if "*" in self._listed else origin.encode("latin-1")
        return [
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"origin"),
        ]


def preflight(requested: str) -> list[Header]:
    """Return what a browser is told that asks first; `requested` are the headers it would send."""
    names = [name.strip().lower() for name in requested.split(",")][:_MOST_REQUESTED]
    granted = ", ".join(name for name in names if _may_be_sent(name))
    return [
        (b"access-control-allow-methods", b"GET, POST, DELETE"),
        (b"access-control-allow-headers", granted.encode()),
        (b"access-control-max-age", b"600"),
    ]


def is_own(origin: str, scheme: str, host: str) -> bool:
    """Tell whether a page is the gateway's own: of the same scheme, name and port as the request."""
    return origin.lower() == f"{_HTTP.get(scheme, scheme)}://{host}".lower()


_HTTP = {"ws": "http", "wss": "https"}


def _may_be_sent(name: str) -> bool:
    known = name in _HEADERS or name.startswith(_FAMILIES)
    return known and _REQUESTED.fullmatch(name) is not None
