"""Around every request: its id, the headers that every answer has, its line in the log, its count.

The line has who, what, how long and how much, and never what was said.
"""

import os
import re
from typing import TYPE_CHECKING

import msgspec
import trio

from greenroom.http.answer_headers import PROCESSING, VERSION
from greenroom.http.exchange import BEGUN, App, Event, Header, Receive, Scope, Send
from greenroom.http.metrics import Metrics

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_RECORD = "greenroom.record"
_API = "/v1/"
_ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class Record(msgspec.Struct):
    """What the log line says about a request beyond its path and status; durations in seconds."""

    request_id: str
    agent: str | None = None
    session: str | None = None
    turn: str | None = None
    model: str | None = None
    attempt: int | None = None
    stream: bool | None = None
    first_event_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    error: str | None = None

    def said(self) -> dict[str, object]:
        """Return what there is to say."""
        values = zip(self.__struct_fields__, msgspec.structs.astuple(self), strict=True)
        return {name: value for name, value in values if value is not None}


def record_of(scope: Scope) -> Record:
    """Return the record of the request that `scope` is of."""
    record: Record = scope[_RECORD]
    return record


def access_log(app: App, log: "FilteringBoundLogger", metrics: Metrics) -> App:
    """Wrap an ASGI application; a lifespan passes through."""

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        record = Record(_request_id(scope))
        scope[_RECORD] = record
        now = trio.lowlevel.current_clock().current_time  # three calls less than trio.current_time
        scope[BEGUN] = begun = now()
        status = 0
        whole = False

        async def tagged(event: Event) -> None:
            nonlocal status, whole
            if event["type"] == "http.response.start":
                status = event["status"]
                headers = [*event["headers"], *_ALWAYS]
                headers.append((b"x-request-id", record.request_id.encode()))
                if scope["path"].startswith(_API):
                    took = (now() - begun) * 1000
                    headers += (VERSION, (PROCESSING, str(round(took)).encode()))
                event["headers"] = headers
            await send(event)
            if event["type"] == "http.response.body" and not event.get("more_body", False):
                whole = True

        try:
            await app(scope, receive, tagged)
        finally:
            metrics.count(status, record.first_event_s)
            log.info(
                "http.request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                whole=whole,
                duration_s=round(now() - begun, 6),
                **record.said(),
            )

    return logged


def _request_id(scope: Scope) -> str:
    """Return the caller's own id for the request if it has a usable one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: str = value.decode("latin-1")
            if _USABLE_ID.fullmatch(given):
                return given
    return f"req_{os.urandom(12).hex()}"
