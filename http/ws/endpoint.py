"""`/v1/ws`: the endpoint, as a raw ASGI application for WebSockets."""

import secrets
from typing import TYPE_CHECKING

import trio

from greenroom.actors.house import House
from greenroom.http.auth import Authenticator, presented
from greenroom.http.config import Gateway
from greenroom.http.errors import ApiError
from greenroom.http.exchange import JSON_TYPE, Head, Receive, Scope, Send
from greenroom.http.metrics import Metrics
from greenroom.http.ws.connection import Connection, Surroundings
from greenroom.http.ws.inbound import inbound_of
from greenroom.http.ws.link import Bounds, Link
from greenroom.http.ws.methods import Methods

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

PATH = "/v1/ws"


class WebSockets:
    """All WebSockets of one house; `stop` is set once the gateway is to end."""

    def __init__(
        self,
        house: House,
        gateway: Gateway,
        authenticator: Authenticator,
        log: "FilteringBoundLogger",
        metrics: Metrics,
        stop: trio.Event,
        bounds: Bounds | None = None,
    ) -> None:
        limits = gateway.limits
        self._bounds = bounds or Bounds(
            limits.max_body_bytes, limits.max_json_depth, limits.heartbeat
        )
        self._log = log
        methods = Methods(house, gateway, log)
        self._around = Surroundings(methods, authenticator.check, stop, metrics, log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection from its handshake to its end."""
        await receive()  # that it wants to connect
        if scope["path"] != PATH:
            await send({"type": "websocket.close"})  # its client gets a 403
            return
        head = Head({"method": "GET", **scope})
        id_ = f"ws-{secrets.token_hex(8)}"
        is_checked = presented(head) is not None
        if is_checked:
            try:
                await self._around.check(head)
            except ApiError as error:
                self._log.info("ws.refused", connection=id_, status=error.status)
                await _refuse(send, error)
                return
        inbound = inbound_of(scope)
        inbound.begin(self._bounds.first_frame)
        await send({"type": "websocket.accept"})
        begun = trio.current_time()
        link = Link(receive, send, inbound, self._bounds)
        connection = Connection(id_, link, head, self._bounds, self._around, is_checked=is_checked)
        try:
            await connection.run()
        finally:
            closing = connection.closing
            self._log.info(
                "ws.closed",
                connection=id_,
                code=None if closing is None else int(closing.code),
                reason="client_left" if closing is None else closing.reason,
                requests=connection.served,
                duration_s=round(trio.current_time() - begun, 6),
            )


async def _refuse(send: Send, error: ApiError) -> None:
    """Answer a handshake with an error's envelope, as any other request."""
    body = error.encode()
    length = (b"content-length", str(len(body)).encode())
    extra = [(name.encode(), value.encode()) for name, value in error.headers.items()]
    start = {"status": error.status, "headers": [JSON_TYPE, length, *extra]}
    await send({"type": "websocket.http.response.start", **start})
    await send({"type": "websocket.http.response.body", "body": body})
