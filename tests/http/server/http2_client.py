"""A client for HTTP/2 of a few lines, which can be made to send what no client should."""

from types import TracebackType

import h2.config
import h2.connection
import h2.events
import msgspec
import trio


class Answer(msgspec.Struct):
    """What a stream has got."""

    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
    ended: bool = False
    reset: bool = False


class Http2Client:
    """One connection; `frames` sends whatever it is given."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        config = h2.config.H2Configuration(header_encoding="utf-8")
        config.validate_outbound_headers = False
        config.normalize_outbound_headers = False
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.answers: dict[int, Answer] = {}
        self.closed = False

    async def begin(
        self, headers: list[tuple[bytes, bytes]], body: bytes | None = b""
    ) -> tuple[int, Answer]:
        """Send a request's head and body; a body of None stays open."""
        number = self.h2.get_next_available_stream_id()
        answer = self.answers[number] = Answer()
        self.h2.send_headers(number, headers, end_stream=body == b"")
        if body:
            self.h2.send_data(number, body, end_stream=True)
        await self.flush()
        return number, answer

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request and wait for its whole answer."""
        fields = [
            (b":method", method.encode()),
            (b":path", path.encode()),
            (b":scheme", b"https"),
            (b":authority", b"localhost"),
            *((name.encode(), value.encode()) for name, value in (headers or {}).items()),
        ]
        _, answer = await self.begin(fields, body)
        while not (answer.ended or answer.reset):
            assert await self.read(), "the connection ended before the answer did"
        return answer

    async def frames(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self.flush()
        await self._stream.send_all(data)

    async def flush(self) -> None:
        if data := self.h2.data_to_send():
            await self._stream.send_all(data)

    async def read(self) -> bool:
        """Read once; whether the connection goes on."""
        try:
            data = await self._stream.receive_some(65536)
        except trio.BrokenResourceError:
            data = b""
        if not data:
            self.closed = True
            return False
        for event in self.h2.receive_data(bytes(data)):
            match event:
                case h2.events.ResponseReceived(stream_id=int(number), headers=list(fields)):
                    answer = self.answers[number]
                    answer.headers = {_text(name): _text(value) for name, value in fields}
                    answer.status = int(answer.headers[":status"])
                case h2.events.DataReceived(stream_id=int(number), data=bytes(piece)):
                    self.answers[number].body += piece
                    size = event.flow_controlled_length or 0
                    self.h2.acknowledge_received_data(size, number)
                case h2.events.StreamEnded(stream_id=int(number)):
                    self.answers[number].ended = True
                case h2.events.StreamReset(stream_id=int(number)):
                    self.answers[number].reset = True
                case _:
                    pass
        await self.flush()
        return True

    async def __aenter__(self) -> "Http2Client":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await trio.aclose_forcefully(self._stream)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
