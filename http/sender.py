"""How a request is known again, and what it asks beside an answer: its headers, checked by name."""

import hashlib
from enum import StrEnum
from typing import TypeVar

import msgspec

from greenroom.actors.turn import ForkFrom, OnBusy, OnDisconnect, Sender
from greenroom.http.auth import presented
from greenroom.http.errors import ApiError, invalid
from greenroom.http.exchange import Head

_E = TypeVar("_E", bound=StrEnum)

_MOST_KEY = 255
_SELECTING = (b"x-openclaw-agent-id", b"x-openclaw-agent", b"x-openclaw-model")
_ASKING = frozenset(
    {
        b"idempotency-key",
        b"x-greenroom-event-ids",
        b"x-greenroom-events",
        b"x-greenroom-fork-from",
        b"x-greenroom-on-busy",
        b"x-greenroom-on-disconnect",
        b"x-greenroom-pin",
        b"x-greenroom-starting-after",
        b"x-stainless-retry-count",
    }
)
"""All that is read here beside what selects who answers."""


class Events(StrEnum):
    """Whether a stream tells what happens beside the answer."""

    OMIT = "omit"
    INCLUDE = "include"


class Request(msgspec.Struct, frozen=True):
    """What a request's headers say: to its session, and to the stream that it wants.

    Events up to the number `starting_after` are left out; with `event_ids` each has its number; with
    `inside` they tell what happens beside the answer, too. `pins` keeps the request's user messages in
    every prompt.
    """

    sender: Sender
    starting_after: int = 0
    event_ids: bool = False
    inside: bool = False
    pins: bool = False

    @property
    def once(self) -> str | None:
        """A digest of the client's own name of the request, where it has one."""
        key = self.sender.idempotency
        return None if key is None else hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


def read_request(head: Head, body: bytes) -> Request:
    """Read the headers.

    Raises:
        ApiError: 400, naming the header.
    """
    if _ASKING.isdisjoint(head.headers):
        return Request(Sender(_fingerprint(head, body)))  # 12 look-ups less
    key = head.header(b"idempotency-key")
    if key is not None and (len(key) > _MOST_KEY or not key.isprintable()):
        raise _bad("Idempotency-Key", f"must be at most {_MOST_KEY} printable characters")
    starting_after = _number(head, b"x-greenroom-starting-after")
    if starting_after is not None and key is None:
        raise _bad(
            "x-greenroom-starting-after",
            "needs the `Idempotency-Key` of the request it goes on with",
        )
    policy = OnDisconnect.CANCEL if key is None else OnDisconnect.CONTINUE
    sender = Sender(
        fingerprint=_fingerprint(head, body),
        idempotency=key,
        retry=(_number(head, b"x-stainless-retry-count", lenient=True) or 0) >= 1,
        resumes=bool(starting_after),
        on_busy=_choice(head, b"x-greenroom-on-busy", OnBusy, OnBusy.ENQUEUE),
        on_disconnect=_choice(head, b"x-greenroom-on-disconnect", OnDisconnect, policy),
        fork=_fork(head),
    )
    return Request(
        sender,
        starting_after or 0,
        event_ids=_flag(head, b"x-greenroom-event-ids"),
        inside=_choice(head, b"x-greenroom-events", Events, Events.OMIT) is Events.INCLUDE,
        pins=_flag(head, b"x-greenroom-pin"),
    )


def _fingerprint(head: Head, body: bytes) -> bytes:
    """Return a digest of all that makes a request this one: who sends it, to whom, and what."""
    digest = hashlib.blake2b(body, digest_size=16)
    parts = [presented(head), *map(head.header, _SELECTING)]
    said = "\0".join([part or "" for part in parts])
    digest.update(b"\0" + said.encode(errors="surrogateescape"))
    return digest.digest()


def _fork(head: Head) -> ForkFrom | None:
    value = head.header(b"x-greenroom-fork-from")
    if value is None:
        return None
    key, at, number = value.rpartition("@")
    if at and number.isascii() and number.isdigit():
        return ForkFrom(key, int(number[:18]))
    return ForkFrom(value)


def _choice(head: Head, name: bytes, choices: type[_E], default: _E) -> _E:
    value = head.header(name)
    if value is None:
        return default
    try:
        return choices(value.strip().lower())
    except ValueError:
        raise _bad(name.decode(), f"must be one of {', '.join(choices)}") from None


def _flag(head: Head, name: bytes) -> bool:
    value = (head.header(name) or "false").strip().lower()
    if value not in {"true", "false"}:
        raise _bad(name.decode(), "must be true or false")
    return value == "true"


def _number(head: Head, name: bytes, *, lenient: bool = False) -> int | None:
    value = head.header(name)
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return int(value[:18])
    if lenient:
        return None
    raise _bad(name.decode(), "must be a number of events, 0 or more")


def _bad(header: str, what: str) -> ApiError:
    return invalid(f"`{header}` {what}.", header, code="invalid_value")
