"""One client's connection: it is read, it is written, and its requests are tasks in it.

All of that ends with the connection, so a turn whose client has gone is left, as over HTTP. Who waits
for room to write waits for its own client only; one that reads nothing for too long is given up.
"""

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from greenroom.http.access import Record
from greenroom.http.errors import ApiError, invalid
from greenroom.http.exchange import Head
from greenroom.http.metrics import Metrics
from greenroom.http.ws import calls, frames
from greenroom.http.ws.asker import Asker
from greenroom.http.ws.frames import Code
from greenroom.http.ws.link import Bounds, ClientLeft, Closing, Link
from greenroom.http.ws.methods import Methods
from greenroom.http.ws.ordering import head_with

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

Check = Callable[[Head], Awaitable[None]]


class Surroundings:
    """What connections have in common; `stop` is set once the gateway is to end."""

    def __init__(
        self,
        methods: Methods,
        check: Check,
        stop: trio.Event,
        metrics: Metrics,
        log: "FilteringBoundLogger",
    ) -> None:
        self.methods = methods
        self.check = check
        self.stop = stop
        self.metrics = metrics
        self.log = log


class Connection:
    """One of them; `head` is its handshake's, whose credential `is_checked` if it has brought one."""

    def __init__(
        self,
        id_: str,
        link: Link,
        head: Head,
        bounds: Bounds,
        surroundings: Surroundings,
        *,
        is_checked: bool,
    ) -> None:
        self.id = id_
        self._link = link
        self._head = head
        self._bounds = bounds
        self._around = surroundings
        self._is_checked = is_checked
        self._scope = trio.CancelScope()
        self._under_way: dict[str, trio.CancelScope] = {}
        self._lasting: set[str] = set()
        self._one_less = trio.Event()
        self._left = False
        self.served = 0
        self.closing: Closing | None = None

    async def run(self) -> None:
        """Serve it to its end; `closing` says why we closed it, None if its client has."""
        outbox = self._link.outbox
        async with trio.open_nursery() as around:
            around.start_soon(self._give_up_if_stalled)
            async with trio.open_nursery() as writing:
                writing.start_soon(outbox.write_all)
                with self._scope:
                    await self._serve()
                outbox.close()
            around.cancel_scope.cancel()
        if self.closing is not None and not self._left:
            await self._link.close(self.closing)

    def _end(self, closing: Closing) -> None:
        """End it; the first reason counts."""
        self.closing = self.closing or closing
        self._scope.cancel()

    async def _give_up_if_stalled(self) -> None:
        await self._link.outbox.stalled()
        self._link.outbox.drop()
        what = f"Nothing was read for {self._bounds.stall:g} seconds."
        self._end(Closing(Code.POLICY, what))

    async def _serve(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_if_too_large)
            try:
                await self._connect()
                nursery.start_soon(self._tick)
                nursery.start_soon(self._end_with_the_gateway)
                while True:
                    await self._take(await self._link.next(), nursery)
            except Closing as closing:
                self._end(closing)
            except ClientLeft:
                self._left = True
                self._scope.cancel()

    async def _end_if_too_large(self) -> None:
        self._end(await self._link.too_large())

    # Its beginning

    async def _connect(self) -> None:
        """Take the first frame, and say who is served, and how."""
        connect = await self._link.first()
        auth = connect.params.auth
        secret = auth.token or auth.password
        try:
            if connect.params.protocol != calls.PROTOCOL:
                what = f"`params.protocol` must be {calls.PROTOCOL}."
                raise invalid(what, "params.protocol", "unsupported_value")
            if secret is not None:
                self._head = head_with(self._head, {"authorization": f"Bearer {secret}"})
            if secret is not None or not self._is_checked:
                await self._around.check(self._head)
        except ApiError as error:
            await self._link.say(frames.refusal(connect.id, error))
            raise Closing(Code.POLICY, error.body.message) from None
        self._link.widen()
        limits = frames.Limits(self._link.most, self._bounds.requests)
        hello = frames.Hello(connection=self.id, tick_seconds=self._bounds.tick, limits=limits)
        await self._link.say(frames.Res(id=connect.id, ok=True, payload=hello))

    # Its requests

    async def _take(self, call: calls.Call, nursery: trio.Nursery) -> None:
        """Begin a request, or refuse it."""
        if isinstance(call, calls.Leave):
            await self._leave(call)
            return
        try:
            asked = self._checked(call)
        except ApiError as error:
            self._around.metrics.count(error.status, None)
            await self._link.say(frames.refusal(call.id, error))
            return
        self.served += 1
        self._under_way[asked.id] = trio.CancelScope()
        if isinstance(asked, calls.SessionsSubscribe):
            self._lasting.add(asked.id)
        nursery.start_soon(self._answer, asked, Record(f"{self.id}.{self.served}"))

    async def _leave(self, call: calls.Leave) -> None:
        """End a request without a word of its own."""
        request = call.params.request
        scope = self._under_way.get(request)
        if scope is not None:
            scope.cancel()
        left = frames.Left(request=request, left=scope is not None)
        await self._link.say(frames.Res(id=call.id, ok=True, payload=left))

    def _checked(self, call: calls.Connect | calls.Asked) -> calls.Asked:
        if isinstance(call, calls.Connect):
            raise invalid("This connection is connected already.", "method", "already_connected")
        if call.id in self._under_way:
            what = f"The request '{call.id}' is under way: give each an `id` of its own."
            raise invalid(what, "id", "duplicate_id")
        if self._around.stop.is_set():
            what = "The gateway is stopping. Connect again and try again."
            raise ApiError(503, "api_error", what, code="stopping")
        most = self._bounds.requests
        if len(self._under_way) >= most:
            what = f"This connection has {most} requests under way, which is its limit."
            raise ApiError(429, "rate_limit_error", what, code="too_many_requests")
        return call

    async def _answer(self, asked: calls.Asked, record: Record) -> None:
        around, begun = self._around, trio.current_time()
        asker = Asker(asked.id, self._head, record, self._link.outbox.say)
        whole = False
        try:
            with self._under_way[asked.id]:
                try:
                    await around.methods.carry_out(asked, asker)
                except Exception as error:  # noqa: BLE001 - every error is answered, ours are logged as well
                    await asker.refuse(asker.told(error, around.log))
                whole = True
        finally:
            del self._under_way[asked.id]
            self._lasting.discard(asked.id)
            self._one_less.set()
            if not whole:
                record.error = "client_left" if self.closing is None else "interrupted"
            around.metrics.count(asker.status, record.first_event_s)
            around.log.info(
                "ws.request",
                method=asked.__struct_config__.tag,
                status=asker.status,
                duration_s=round(trio.current_time() - begun, 6),
                **record.said(),
            )

    # While it lasts

    async def _tick(self) -> None:
        while True:
            await trio.sleep(self._bounds.tick)
            ticked = frames.Ticked(time.time())
            await self._link.say(frames.EventFrame(event="tick", payload=ticked))

    async def _end_with_the_gateway(self) -> None:
        """Close the connection once its last request has ended, when the gateway is to end."""
        await self._around.stop.wait()
        stopping = frames.Stopping()
        await self._link.say(frames.EventFrame(event="shutdown", payload=stopping))
        while self._under_way.keys() - self._lasting:
            self._one_less = trio.Event()
            await self._one_less.wait()
        self._end(Closing(Code.GOING_AWAY, stopping.reason))
