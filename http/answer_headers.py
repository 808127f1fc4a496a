"""What an answer's headers tell of where it came from, what it took, and what is left: pure.

A time is the server's own between two moments of trio's clock, in milliseconds.
"""

from collections.abc import Mapping

from greenroom.actors.selection import Selection
from greenroom.actors.turn import Route, TurnEnded, TurnStarted
from greenroom.http.exchange import Header

PROCESSING = b"openai-processing-ms"
_OVERHEAD = b"x-greenroom-overhead-ms"
VERSION: Header = (b"openai-version", b"2020-10-01")
"""The version of the API that its reference describes, which has never had another."""


def headers_of(selection: Selection) -> tuple[Header, ...]:
    """Return what is known of an answer from the beginning on."""
    return (
        (b"x-greenroom-agent", selection.agent.encode()),
        (b"x-greenroom-session-key", printable(selection.session)),
    )


def of_start(started: TurnStarted, asked: str) -> tuple[Header, ...]:
    """Return what is known of an answer once it has begun; `asked` is the turn of the request itself."""
    route = started.served.route
    headers: list[Header] = [
        (b"x-greenroom-turn", started.turn.encode()),
        (b"x-greenroom-provider", printable(route.provider)),
        (b"x-greenroom-model", printable(str(route))),
        (b"x-greenroom-attempt", b"%d" % started.served.attempt),
    ]
    if started.limits:
        headers += [
            (name.encode(), value.encode()) for name, value in limit_headers(started.limits).items()
        ]
    if started.turn != asked:
        headers.append((b"x-greenroom-replayed", b"true"))
    if started.ahead:
        headers.append((b"x-greenroom-queued", str(started.ahead).encode()))
    return tuple(headers)


def headers_of_call(
    route: Route, limits: Mapping[str, str], overhead_s: float
) -> tuple[Header, ...]:
    """Return what is known of a call that no turn has made."""
    return (
        (b"x-greenroom-provider", printable(route.provider)),
        (b"x-greenroom-model", printable(str(route))),
        *((name.encode(), value.encode()) for name, value in limit_headers(limits).items()),
        (_OVERHEAD, f"{max(overhead_s, 0.0) * 1000:.3f}".encode()),
    )


def of_cost(cost: float | None) -> tuple[Header, ...]:
    """Return what an answer costs, nothing where its model has no price."""
    return () if cost is None else ((b"x-greenroom-cost", f"{cost:.9g}".encode()),)


def limit_headers(limits: Mapping[str, str]) -> dict[str, str]:
    """Return rate limits, as `Notes` has them, under the names of OpenAI's headers."""
    return {f"x-ratelimit-{name}": value for name, value in limits.items()}


def overhead(begun: float, started: TurnStarted, ended: TurnEnded | None, now: float) -> Header:
    """Return the time that an answer took in the gateway itself, from the request's beginning to `now`.

    It is what lies before the model was asked, and after it had ended, if it has. An answer that is told
    again asked no model, so all of its time is ours.
    """
    before = now - begun if started.called is None else max(started.called - begun, 0.0)
    # Who joins a turn that runs already has only what comes after that.
    answered = None if ended is None else ended.answered
    after = 0.0 if answered is None else now - max(answered, begun)
    return (_OVERHEAD, f"{(before + after) * 1000:.3f}".encode())


def printable(text: str) -> bytes:
    """Return a header's value: what is not printable ASCII is percent-encoded UTF-8."""
    if text.isascii() and text.isprintable() and "%" not in text:
        return text.encode()  # what nearly all are: 5 µs less
    return "".join(
        char if " " <= char <= "~" and char != "%" else "".join(f"%{b:02X}" for b in char.encode())
        for char in text
    ).encode()
