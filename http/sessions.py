"""`/v1/sessions`: what sessions there are, what was said in them, and what a caller may do to them.

A session is named by its key, percent-encoded as one segment of the path, and by its agent: that of the
`agent` parameter, or of the key's own form, or the default one.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

from greenroom.actors.house import House
from greenroom.actors.stores.records import Query, SessionName
from greenroom.http.access import record_of
from greenroom.http.answering import Answering
from greenroom.http.auth import Authenticator
from greenroom.http.config import Gateway
from greenroom.http.exchange import JSON_TYPE, ClientGone, Exchange, Receive, Scope, Send
from greenroom.http.parameters import Parameters, flag, number, parameters_of, whole
from greenroom.http.paths import not_allowed, segments_of, unknown_url
from greenroom.http.session_objects import (
    Cancelled,
    Deleted,
    list_of,
    session_of,
    transcript_of,
)

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

ROOT = "/v1/sessions"

_LINES_TYPE = (b"content-type", b"application/jsonl; charset=utf-8")
_MOST = 1000
_Answer = tuple[int, object]
_Verb = Callable[["Sessions", SessionName, Parameters], Awaitable[_Answer]]


class Sessions:
    """The endpoint, as an ASGI application for `/v1/sessions` and everything below it."""

    def __init__(
        self,
        house: House,
        gateway: Gateway,
        authenticator: Authenticator,
        log: "FilteringBoundLogger",
    ) -> None:
        self._house = house
        self._gateway = gateway
        self._authenticator = authenticator
        self._answering = Answering(gateway.limits, log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        record = record_of(scope)
        try:
            await self._authenticator.check(exchange)
            await self._answer(exchange, scope)
        except ClientGone:
            record.error = "client_left"
        except Exception as error:
            api_error = self._answering.told(error, record)
            record.error = api_error.body.code or api_error.body.type
            if exchange.started:
                raise  # the rest of a body is missing, and the server cuts the connection for it
            await exchange.respond_error(api_error)

    async def _answer(self, exchange: Exchange, scope: Scope) -> None:
        parameters = parameters_of(scope)
        segments = segments_of(scope, ROOT)
        if not segments:
            await self._answer_collection(exchange, parameters)
            return
        key, *rest = segments
        if len(rest) > 1:
            raise unknown_url(exchange)
        verbs = _VERBS.get(rest[0] if rest else "")
        if verbs is None:
            raise unknown_url(exchange)
        if exchange.method not in verbs:
            await not_allowed(exchange, verbs)
            return
        name = self._house.stored_session(key, parameters.get("agent"))
        record = record_of(scope)
        record.agent, record.session = name.agent, name.key
        if rest == ["export"]:
            await self._export(exchange, name)
            return
        status, body = await verbs[exchange.method](self, name, parameters)
        await exchange.respond(status, (JSON_TYPE,), msgspec.json.encode(body))

    async def _answer_collection(self, exchange: Exchange, parameters: Parameters) -> None:
        match exchange.method:
            case "GET":
                page = await self._house.archive.list(_query(parameters))
                await exchange.respond(200, (JSON_TYPE,), msgspec.json.encode(list_of(page)))
            case "POST":
                await self._restore(exchange, parameters)
            case _:
                await not_allowed(exchange, ("GET", "POST"))

    async def _restore(self, exchange: Exchange, parameters: Parameters) -> None:
        limits = self._gateway.limits
        body = await exchange.read_body(limits.max_body_bytes, limits.body_timeout)
        name: SessionName | None = None
        if "key" in parameters:
            name = self._house.session(parameters["key"], parameters.get("agent"))
        async with aclosing(_lines(body)) as lines:
            made = await self._house.archive.restore(lines, name)
        session = session_of(await self._house.archive.info(made))
        await exchange.respond(201, (JSON_TYPE,), msgspec.json.encode(session))

    async def _export(self, exchange: Exchange, name: SessionName) -> None:
        async with self._house.archive.export(name) as lines:
            await exchange.start(200, (_LINES_TYPE,))
            async for line in lines:
                await exchange.write(line)
        await exchange.write(b"", more=False)

    # One session

    async def show(self, name: SessionName, _: Parameters) -> _Answer:
        """Return it."""
        return 200, session_of(await self._house.archive.info(name))

    async def delete(self, name: SessionName, _: Parameters) -> _Answer:
        """Delete it."""
        await self._house.archive.delete(name)
        return 200, Deleted(key=name.key, agent=name.agent)

    async def transcript(self, name: SessionName, parameters: Parameters) -> _Answer:
        """Return a page of what was said."""
        limit = whole(parameters, "limit", 100, least=1, most=_MOST)
        entries = await self._house.archive.transcript(
            name,
            after=whole(parameters, "after", 0),
            limit=limit + 1,
            cut=flag(parameters, "cut"),
        )
        return 200, transcript_of(entries, limit)

    async def cancel(self, name: SessionName, _: Parameters) -> _Answer:
        """End the turn that runs, and those that wait."""
        cancelled = await self._house.archive.cancel(name)
        return 200, Cancelled(key=name.key, agent=name.agent, cancelled=cancelled)

    async def reset(self, name: SessionName, _: Parameters) -> _Answer:
        """Begin the transcript anew."""
        await self._house.archive.reset(name)
        return 200, session_of(await self._house.archive.info(name))


_VERBS: dict[str, dict[str, _Verb]] = {
    "": {"GET": Sessions.show, "DELETE": Sessions.delete},
    "transcript": {"GET": Sessions.transcript},
    "cancel": {"POST": Sessions.cancel},
    "reset": {"POST": Sessions.reset},
    "export": {"GET": Sessions.show},
}


def _query(parameters: Parameters) -> Query:
    return Query(
        agent=(parameters.get("agent") or "").lower() or None,
        prefix=parameters.get("prefix", ""),
        active_since=_time(parameters, "active_since"),
        active_before=_time(parameters, "active_before"),
        after=parameters.get("after") or None,
        limit=whole(parameters, "limit", 100, least=1, most=_MOST),
    )


def _time(parameters: Parameters, name: str) -> float | None:
    return number(parameters, name, 0.0) if name in parameters else None


async def _lines(body: bytes) -> AsyncGenerator[bytes]:
    for line in body.splitlines(keepends=True):
        yield line
