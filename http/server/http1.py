"""One connection in HTTP/1.1: one task reads, and from the first request on another one answers.

What comes next is decided without an await, in `_advance`, by whichever of the two has got that far: the
reader with new bytes, or the other one with its answer's end. So neither waits for the other, and only
the one that answers writes. There is no timer: a server looks at `due` now and then.
"""

import math
from collections.abc import Awaitable
from contextlib import suppress
from enum import Enum, auto

import trio

from greenroom.http.exchange import BODIES, OWN_SERVER, Event, Scope
from greenroom.http.server.answer import Answer, Misused
from greenroom.http.server.common import STOPPING, Common, Peers
from greenroom.http.server.head import Head
from greenroom.http.server.intake import Intake
from greenroom.http.server.refused import Refused
from greenroom.http.server.transport import Transport

_AHEAD = 64 * 1024
"""Bytes that are read before anybody asks for them, while a request is answered."""
_MOST_UNREAD = 256 * 1024
"""Bytes of a body that nobody wanted which are read all the same, to keep the connection."""
_LINGER_S = 2.0
"""How long a client that still sends is listened to, so that it hears what it was answered."""
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Owed(Enum):
    """What a client is waited for."""

    NOTHING = auto()
    REQUEST = auto()
    HEAD = auto()
    BODY = auto()


class Http1:
    """A connection from its first request to its end; to its applications an `OwnServer`."""

    __slots__ = (
        "_answer",
        "_answers",
        "_asked",
        "_cancels",
        "_common",
        "_handed_over",
        "_intake",
        "_lingers",
        "_news",
        "_next",
        "_now",
        "_nursery",
        "_over",
        "_owed",
        "_peers",
        "_reading",
        "_refused",
        "_rest",
        "_resting",
        "_room",
        "_transport",
        "_unread",
        "due",
        "left",
    )

    def __init__(self, common: Common, transport: Transport, peers: Peers) -> None:
        self._now = trio.lowlevel.current_clock().current_time  # three calls less than trio's own
        self.due = self._now() + common.limits.head_timeout
        self.left = False
        self._owed = _Owed.HEAD
        self._common = common
        self._transport = transport
        self._peers = peers
        self._intake = Intake(common.head_limits)
        self._reading = trio.CancelScope()
        self._nursery: trio.Nursery
        self._answer: Answer | None = None
        """The one under way."""
        self._next: tuple[Scope, Answer] | None = None
        """The request that is yet to be begun with."""
        self._answers = False
        """Whether there is a task that answers."""
        self._resting: trio.lowlevel.Task | None = None
        """That task, while it has nothing to answer."""
        self._over = False
        """Whether no other request comes."""
        self._handed_over = False
        """Whether its application has the whole body."""
        self._asked = True
        """Whether the client knows that the body is wanted."""
        self._cancels = False
        """Whether the client's leaving cancels the application."""
        self._unread = 0
        self._room: trio.Event | None = None
        self._news: trio.Event | None = None
        self._refused: Refused | None = None
        self._lingers = False
        """Whether the client may still send what belongs to a request that is answered."""
        self._rest: bytes | None = None

    async def run(self) -> bytes | None:
        """Serve until the end; None, or the bytes with which another protocol begins."""
        self._common.watched.add(self)
        try:
            async with trio.open_nursery() as self._nursery:
                with self._reading:
                    await self._read()
                self._over = True
                self._wake()
                self._rouse()
            if self._rest is None:
                await self._say_goodbye()
        finally:
            self._common.watched.discard(self)
        return self._rest

    # To the server

    def overdue(self) -> None:
        """End what has taken too long; half a head is answered, silence is not."""
        self.due = math.inf
        if self._owed is _Owed.HEAD and self._intake.held:
            self._refused = Refused(408, "request_timeout", "The request took too long to come.")
        self._reading.cancel()

    def stop(self) -> None:
        """Close the connection now if it idles, else after its answer."""
        if self._answer is not None:
            # An answer whose head is out has promised another one; that will be that it stops.
            self._answer.closes = self._answer.closes or not self._answer.begun
            return
        # What came in this moment is a request that can be answered, not cut off.
        self._intake.feed(self._transport.receive_nowait())
        self._advance()

    # To the application

    def cancel_when_left(self) -> None:
        """Have the task that answers cancelled as soon as the client leaves."""
        self._cancels = True
        if self.left:
            self._nursery.cancel_scope.cancel()

    def take_body(self) -> bytes | None:
        """Return what is to come of the body if all of that is there; else None."""
        if self._handed_over or self.left or (body := self._intake.whole_body()) is None:
            return None
        self._handed_over = True
        self._make_room()
        return body

    def put(self, piece: bytes) -> Awaitable[None] | None:
        """Send a piece that is not the last; what of it does not go at once is to be awaited."""
        answer = self._answer
        if answer is None or not answer.begun:  # the head goes out with it
            return self._send({"type": "http.response.body", "body": piece, "more_body": True})
        data = answer.body(piece, more=True)
        if self.left:
            return None
        try:
            sent = self._transport.send_nowait(data)
        except trio.BrokenResourceError:
            self._leave()
            return None
        return self._write(data[sent:]) if sent < len(data) else None

    async def _receive(self) -> Event:
        answer, intake = self._answer, self._intake
        while True:
            if not self._handed_over and not self.left:
                try:
                    piece = intake.body()
                except Refused as refused:
                    await self._cut_in(refused)
                    continue
                if piece or intake.body_ended:
                    self._handed_over = intake.body_ended
                    self._make_room()
                    more = not self._handed_over
                    return {"type": "http.request", "body": piece, "more_body": more}
                if not self._asked:
                    self._asked = True
                    await self._write(_CONTINUE)
                    continue
            if self.left or answer is None or answer.over:
                return {"type": "http.disconnect"}
            self._news = trio.Event()
            await self._news.wait()

    async def _send(self, event: Event) -> None:
        answer = self._answer
        if answer is None:
            raise Misused("there is nobody to answer")
        if event["type"] == "http.response.body":
            if not answer.begun and not self._intake.body_ended:
                # Without being asked for its body, a client may send it or not: nobody can tell which.
                too_much = self._intake.due > _MOST_UNREAD or not self._asked
                answer.closes = answer.closes or too_much
            piece: bytes = event.get("body", b"")
            await self._write(answer.body(piece, more=event.get("more_body", False)))
        elif event["type"] == "http.response.start":
            answer.start(event["status"], event["headers"])
        else:
            raise Misused(f"{event['type']} is no part of an answer here")

    async def _write(self, data: bytes) -> None:
        if self.left:
            await trio.lowlevel.checkpoint()  # nobody hears it, which ASGI keeps to itself
        elif data:
            try:
                await self._transport.send(data)
            except trio.BrokenResourceError:
                self._leave()
                await trio.lowlevel.checkpoint_if_cancelled()

    async def _cut_in(self, refused: Refused) -> None:
        """Answer in the application's place, if it has not begun: its request turned out to be none."""
        answer = self._answer
        if answer is not None and not answer.begun:
            answer.begun = answer.over = True
            await self._write(refused.encode())
        self._leave()

    # Reading

    async def _read(self) -> None:
        intake = self._intake
        if self._common.stopping:
            self.stop()
        while True:
            if self._answer is not None and intake.held >= _AHEAD:
                self._room = trio.Event()
                await self._room.wait()
                continue
            data = await self._transport.receive()
            if not data:
                self._leave()
                return
            intake.feed(data)
            del data  # the request's bytes are not needed for as long as its answer takes
            if self._answer is None:
                self._advance()
            else:
                self._wake()

    def _leave(self) -> None:
        """Take it that the client has left."""
        self.left = True
        self._wake()
        if self._cancels and self._answer is not None and not self._answer.over:
            self._nursery.cancel_scope.cancel()

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None

    def _make_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    # What comes next

    def _advance(self) -> None:
        """Begin the next request if it is there; else wait for it, or close."""
        intake = self._intake
        self._make_room()
        try:
            if not intake.body_ended:
                self._unread += len(intake.body())
            request = intake.head() if intake.body_ended else None
        except Refused as refused:
            # Of the rest of a request that has its answer there is nothing to be said.
            self._refused = refused if intake.body_ended else None
            self._lingers = True
            self._reading.cancel()
            return
        if request is not None:
            self._begin(request)
        elif self._common.stopping or self._unread > _MOST_UNREAD:
            self._lingers = not intake.body_ended
            self._reading.cancel()
        else:
            self._wait()

    def _begin(self, request: Head) -> None:
        self.due, self._owed = math.inf, _Owed.NOTHING
        if request.websocket and not self._common.stopping:
            self._rest = request.encode() + self._intake.take_all()
            self._reading.cancel()
            return
        self._answer = Answer(request)
        self._handed_over = self._cancels = False
        self._asked = not request.expects
        self._unread = 0
        scope: Scope = {
            "type": "http",
            "asgi": _ASGI,
            "scheme": "https" if self._peers.secure else "http",
            "root_path": "",
            "client": self._peers.client,
            "server": self._peers.server,
            "extensions": {OWN_SERVER: self},
            BODIES: self._common.bodies,
            "method": request.method,
            "http_version": request.version,
            "path": request.path,
            "raw_path": request.raw_path,
            "query_string": request.query,
            "headers": request.headers,
            "state": {},
        }
        if self._common.stopping:
            self._answer.closes = True
            scope[STOPPING] = True
        self._next = scope, self._answer
        if not self._answers:
            self._answers = True
            self._nursery.start_soon(self._serve, name="http.request")
        self._rouse()

    def _wait(self) -> None:
        """Give the client its time for what it owes; more bytes of the same do not prolong it."""
        limits = self._common.limits
        if not self._intake.body_ended:
            owed, patience = _Owed.BODY, _LINGER_S
        elif self._intake.held:
            owed, patience = _Owed.HEAD, limits.head_timeout
        else:
            owed, patience = _Owed.REQUEST, limits.keep_alive
        if owed is not self._owed:
            self._owed = owed
            self.due = self._now() + patience

    async def _serve(self) -> None:
        """Answer one request after the other; a task for each took a tenth of the connection's time."""
        while True:
            if self._next is not None:
                request, self._next = self._next, None
                await self._respond(*request)
            elif self._over:
                return
            else:
                self._resting = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._rest_no_more)

    def _rest_no_more(self, _: object) -> trio.lowlevel.Abort:
        self._resting = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _rouse(self) -> None:
        if self._resting is not None:
            task, self._resting = self._resting, None
            trio.lowlevel.reschedule(task)

    async def _respond(self, scope: Scope, answer: Answer) -> None:
        """Have the application answer; what goes wrong with it ends here."""
        try:
            await self._common.app(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - one request's failure is nobody else's
            self._failed(error)
        except BaseExceptionGroup as group:
            errors, rest = group.split(Exception)
            if errors is not None:
                self._failed(errors)
            if rest is not None:
                raise rest from None
        self._answer = None
        if not answer.begun and not self.left:
            self._refused = Refused(500, "internal_error", "internal error")
        if answer.over and not answer.closes and not self.left:
            self._advance()
        else:
            self._lingers = self._intake.held > 0 or not self._intake.body_ended
            self._reading.cancel()

    def _failed(self, error: Exception) -> None:
        self._common.log.error("http.server", message="a request failed", exc_info=error)

    async def _say_goodbye(self) -> None:
        refused = self._refused
        try:
            with trio.move_on_after(_LINGER_S), suppress(trio.BrokenResourceError):
                if refused is not None:
                    self._common.log.info(
                        "http.refused",
                        status=refused.status,
                        error=refused.code,
                        client=self._peers.client[0],
                    )
                    await self._transport.send(refused.encode())
                # A socket that is closed over unread bytes takes the answer along.
                if not self.left and (refused is not None or self._lingers):
                    await self._transport.end()
                    while await self._transport.receive():
                        pass
        finally:
            await self._transport.close()
