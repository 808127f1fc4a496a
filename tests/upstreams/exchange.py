"""One request and what becomes of it: the answer, or the trouble that the model's name asks for."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, assert_never

import msgspec
import trio

from tests.upstreams.api import JSON_TYPE, Api
from tests.upstreams.behaviour import Behaviour, Trouble, behaviour_of
from tests.upstreams.connection import Connection, Request
from tests.upstreams.cues import play
from tests.upstreams.speech import Heard, Refused, Spoken

_PAGE = b"<!DOCTYPE html><html><body><h1>Welcome to nginx!</h1></body></html>"
_MEBIBYTE = b"x" * 1_048_576


class Record:
    """What is kept of a request.

    `refusal` is why the vendor would refuse it, and `heard` None in that case. `end` is "open" as long as
    it is under way; "left" is that the client closed its connection before it had a whole answer. Once
    what there is to say of an answer is on its way, it `is_said`, whatever becomes of the rest.
    """

    def __init__(self, api: str, request: Request) -> None:
        self.api = api
        self.headers = request.headers
        self.body: dict[str, Any] = msgspec.json.decode(request.body)
        self.model = str(self.body.get("model"))
        self.heard: Heard | None = None
        self.refusal: str | None = None
        self.end: Literal["open", "whole", "broken", "left"] = "open"
        self.is_said = False


class Exchange:
    """Answers one request; `asked` counts the requests for each model, `number` is this one's.

    `held` has for each model what is set once its streams may go on.
    """

    def __init__(
        self,
        api: Api,
        connection: Connection,
        request: Request,
        asked: Counter[str],
        number: int,
        held: Mapping[str, trio.Event],
    ) -> None:
        self.record = Record(api.name, request)
        self._api = api
        self._connection = connection
        self._request = request
        self._asked = asked
        self._number = number
        self._held = held

    async def run(self) -> None:
        """Answer, unless the client leaves before that is done."""
        async with trio.open_nursery() as nursery:

            async def end_when_left() -> None:
                await self._connection.until_left()
                self._end("left")
                nursery.cancel_scope.cancel()

            nursery.start_soon(end_when_left)
            try:
                await self._answer()
            except trio.BrokenResourceError:
                self._end("left")
            nursery.cancel_scope.cancel()

    def _end(self, end: Literal["whole", "broken", "left"]) -> None:
        if self.record.end == "open":
            self.record.end = end

    async def _answer(self) -> None:
        try:
            heard = self._api.hear(self._request.headers, self._request.body)
            spoken = play(heard)
        except Refused as refused:
            self.record.refusal = refused.message
            await self._refuse(refused, {})
            return
        self.record.heard = heard
        self._asked[heard.model] += 1
        behaviour = behaviour_of(heard.model)
        await trio.sleep(behaviour.head_after)
        status = 503 if self._asked[heard.model] <= behaviour.flaky else behaviour.status
        if status is not None:
            wait = behaviour.retry_after
            headers = {} if wait is None else {"retry-after": wait}
            await self._refuse(self._api.failure(status, heard.model), headers)
        elif behaviour.head is not None:
            await self._misbehave(behaviour)
        elif heard.stream:
            await self._stream(heard, spoken, behaviour)
        else:
            await self._whole(JSON_TYPE, self._api.whole(heard, spoken, self._number))

    async def _refuse(self, refused: Refused, more: dict[str, str]) -> None:
        await self._whole(JSON_TYPE, self._api.refusal(refused), refused.status, **more)

    async def _whole(self, type_: str, body: bytes, status: int = 200, **more: str) -> None:
        headers = {"content-type": type_} | self._api.headers(self._number)
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        await self._connection.answer(status, headers, body)
        self._end("whole")

    async def _misbehave(self, behaviour: Behaviour) -> None:
        match behaviour.head:
            case "hang":
                await trio.sleep_forever()
            case "close":
                self._end("broken")
            case "page":
                await self._whole("text/html", _PAGE)
            case "nothing":
                await self._whole(self._api.stream_type, b"")
            case None:
                raise AssertionError("nothing to do")
            case _:
                assert_never(behaviour.head)

    async def _stream(self, heard: Heard, spoken: Spoken, behaviour: Behaviour) -> None:
        played = self._api.stream(heard, spoken, self._number)
        self._connection.shred = behaviour.shred
        headers = {"content-type": self._api.stream_type} | self._api.headers(self._number)
        await self._connection.begin(200, headers)
        begun = len(played.opening) + behaviour.late
        for nth, piece in enumerate([*played.opening, *played.words, *played.closing]):
            if behaviour.trouble is not None and nth == begun:
                await self._break(behaviour.trouble)
                return
            if nth > len(played.opening):
                await trio.sleep(behaviour.pause)
            if nth - len(played.opening) == behaviour.hold:
                await self._held[heard.model].wait()
            if nth == len(played.opening) + len(played.words):
                self.record.is_said = True
            await self._connection.send(piece)
        await self._connection.end()
        self._end("whole")

    async def _break(self, trouble: Trouble) -> None:
        match trouble:
            case "silence":
                await trio.sleep_forever()
            case "cut":
                pass
            case "eof":
                await self._connection.end()
            case "garbage":
                await self._connection.send(self._api.garbage)
                await trio.sleep_forever()
            case "flood":
                await self._connection.send(self._api.flood)
                while True:
                    await self._connection.send(_MEBIBYTE)
            case "overload":
                await self._connection.send(self._api.overload())
                await self._connection.end()
            case _:
                assert_never(trouble)
        self._end("broken")
