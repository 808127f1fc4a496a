"""WebSockets in this process: a site that serves them, and a client of one of them.

Import the names from `tests.http.ws.conftest`; pytest has it loaded before any test.
"""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import trio

from greenroom.actors.channels.channel import Channel
from greenroom.http.access import access_log
from greenroom.http.auth import Authenticator
from greenroom.http.config import Gateway
from greenroom.http.credential import Credential
from greenroom.http.exchange import App, Event
from greenroom.http.metrics import Metrics
from greenroom.http.ws.endpoint import PATH as WS_PATH
from greenroom.http.ws.endpoint import WebSockets
from greenroom.http.ws.link import Bounds
from tests.http.conftest import GATEWAY, TOKEN, Site, scope_of

BOUNDS = Bounds(frame=1_000_000, depth=64, tick=15.0)


class Socket:
    """One WebSocket, seen from its client; in the place of the server, ASGI on its other side."""

    def __init__(
        self, app: App, headers: Mapping[str, str] | None = None, path: str = WS_PATH
    ) -> None:
        self._app = app
        self._scope = {**scope_of("GET", path, headers or {}), "type": "websocket"}
        self._to, self._in = trio.open_memory_channel[Event](10)
        self._out, self._from = trio.open_memory_channel[str](10_000)
        self._reads = trio.Event()
        self._reads.set()
        self._left = trio.Event()
        self._to.send_nowait({"type": "websocket.connect"})
        self.accepted = trio.Event()
        self.status = 0
        self.body = b""
        self.code: int | None = None
        self.reason = ""
        self.closed = trio.Event()
        self.over = trio.Event()
        self._ids = 0

    async def run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            self.over.set()

    # What the client does

    async def write(self, data: str | bytes) -> None:
        """Send one message."""
        kind = "text" if isinstance(data, str) else "bytes"
        await self._to.send({"type": "websocket.receive", kind: data})

    async def ask(self, method: str, /, id_: str | None = None, **params: Any) -> str:
        """Send a request; return its id."""
        self._ids += 1
        id_ = id_ or str(self._ids)
        frame = {"type": "req", "id": id_, "method": method, "params": params}
        await self.write(json.dumps(frame))
        return id_

    async def hear_any(self) -> dict[str, Any]:
        """Return the next frame."""
        frame: dict[str, Any] = json.loads(await self._from.receive())
        return frame

    async def hear_or_close(self) -> str | None:
        """Return the next message, None once the connection is closed."""
        heard: str | None = None
        async with trio.open_nursery() as nursery:

            async def until_closed() -> None:
                await self.closed.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(until_closed)
            heard = await self._from.receive()
            nursery.cancel_scope.cancel()
        return heard

    async def hear(self) -> dict[str, Any]:
        """Return the next frame that is no tick."""
        while (frame := await self.hear_any()).get("event") == "tick":
            continue
        return frame

    async def get(self, method: str, /, **params: Any) -> Any:
        """Ask, and return what the answer has."""
        frame = await self.answer_to(await self.ask(method, **params))
        assert frame["ok"], frame
        assert set(frame) == {"type", "id", "ok", "payload"}
        return frame["payload"]

    async def refused(self, method: str, /, **params: Any) -> tuple[int, dict[str, str | None]]:
        """Ask in vain, and return status and error."""
        id_ = await self.ask(method, **params)
        return refusal_of(await self.answer_to(id_), id_)

    async def answer_to(self, id_: str) -> dict[str, Any]:
        """Return the answer to a request, whatever comes before it."""
        while (frame := await self.hear())["type"] != "res":
            continue
        assert frame["id"] == id_
        return frame

    async def connect(self, token: str | None = TOKEN) -> Any:
        """Say who this is."""
        return await self.get("connect", **({} if token is None else {"auth": {"token": token}}))

    async def events(self, id_: str) -> list[dict[str, Any]]:
        """Return the events of one request, to their end."""
        heard: list[dict[str, Any]] = []
        while not heard or heard[-1]["event"] == "chat.chunk":
            frame = await self.hear()
            if frame["id"] == id_:
                assert frame["type"] == "event"
                heard.append(frame)
        return heard

    async def chat(self, text: str, **params: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Have a turn; return what was said of it, and its events."""
        id_ = await self.ask("chat.send", text=text, **params)
        taken = await self.hear()
        assert taken["ok"], taken
        return taken["payload"], await self.events(id_)

    def stop_reading(self) -> None:
        self._reads = trio.Event()

    def read_on(self) -> None:
        self._reads.set()

    def leave(self) -> None:
        """Cut the connection."""
        self._left.set()

    # What the server does

    async def _receive(self) -> Event:
        event: Event = {"type": "websocket.disconnect", "code": 1006}
        async with trio.open_nursery() as nursery:

            async def until_left() -> None:
                await self._left.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(until_left)
            if not self._left.is_set():
                event = await self._in.receive()
            nursery.cancel_scope.cancel()
        return event

    async def _send(self, event: Event) -> None:
        await trio.lowlevel.checkpoint()
        await self._reads.wait()
        if self._left.is_set():
            return  # as hypercorn does
        match event["type"]:
            case "websocket.accept":
                self.accepted.set()
            case "websocket.send":
                assert not self.closed.is_set(), "nothing comes after the end"
                self._out.send_nowait(event["text"])
            case "websocket.http.response.start":
                self.status = event["status"]
            case "websocket.http.response.body":
                self.body += event["body"]
            case "websocket.close":
                if self.accepted.is_set():
                    self.code, self.reason = event["code"], event["reason"]
                else:
                    self.status = 403
                self._left.set()
                self.closed.set()
            case other:
                raise AssertionError(other)


class WsSite(Site):
    """A house with its WebSockets: `async with WsSite(…) as site`, and `await site.open()`."""

    def __init__(
        self,
        channel: Channel | None = None,
        *,
        bounds: Bounds = BOUNDS,
        gateway: Gateway = GATEWAY,
        **rest: Any,
    ) -> None:
        super().__init__(channel, gateway=gateway, **rest)
        self._bounds = bounds
        self._served = gateway
        self._nursery_manager = trio.open_nursery()
        self.stop = trio.Event()
        self.metrics = Metrics()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        sockets = WebSockets(
            self.house,
            self._served,
            Authenticator(Credential(self._served.auth), self._served.failures),
            self.lines.log,
            self.metrics,
            self.stop,
            self._bounds,
        )
        self.sockets = access_log(sockets, self.lines.log, self.metrics)
        self.nursery = await self._nursery_manager.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.nursery.cancel_scope.cancel()
        try:
            await self._nursery_manager.__aexit__(kind, error, trace)
        finally:
            await super().__aexit__(kind, error, trace)

    def dial(self, headers: Mapping[str, str] | None = None, path: str = WS_PATH) -> Socket:
        """Return a WebSocket that is served from now on."""
        socket = Socket(self.sockets, headers, path)
        self.nursery.start_soon(socket.run)
        return socket

    async def open(self) -> Socket:
        """Return one that is connected."""
        socket = self.dial()
        await socket.connect()
        return socket


def refusal_of(frame: dict[str, Any], id_: str) -> tuple[int, dict[str, str | None]]:
    """Return a refusal's status and error, which has its four keys."""
    assert (frame["type"], frame["id"], frame["ok"]) == ("res", id_, False), frame
    assert list(frame["error"]) == ["message", "type", "param", "code"]
    return frame["status"], frame["error"]


def text_of(events: list[dict[str, Any]]) -> str:
    """Return what the chunks of a turn say."""
    return "".join(
        choice["delta"].get("content") or ""
        for event in events
        if event["event"] == "chat.chunk"
        for choice in event["payload"]["choices"]
    )
