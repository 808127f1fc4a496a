"""A client that speaks HTTP/1.1 byte by byte, over a blocking socket, to a gateway in another process."""

import json
import select
import socket
import ssl
import struct
from contextlib import suppress
from types import TracebackType
from typing import Any

import msgspec

from tests.processes import PATIENCE_S, TOKEN


class Answer(msgspec.Struct):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


def post(path: str, body: bytes, *, method: str = "POST", **headers: str) -> bytes:
    """A whole request with the token; of a header's name each `_` is a `-`."""
    given = {"host": "localhost", "authorization": f"Bearer {TOKEN}", **headers}
    given["content-length"] = str(len(body))
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Peer:
    """One connection; what never comes ends a test after `PATIENCE_S`."""

    def __init__(
        self, port: int, *, buffer: int | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE_S)
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        try:
            self.socket.connect(("127.0.0.1", port))
            if tls is not None:
                self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        except OSError:
            self.socket.close()
            raise
        self._held = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_if_open(self, data: bytes) -> bool:
        """Send to whoever may have closed already; whether that went well."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def until(self, mark: bytes) -> bytes:
        """Read to the end of `mark`."""
        while mark not in self._held:
            piece = self.socket.recv(65536)
            assert piece, f"the connection ended after {self._held!r}"
            self._held += piece
        before, _, self._held = self._held.partition(mark)
        return before + mark

    def exactly(self, size: int) -> bytes:
        while len(self._held) < size:
            piece = self.socket.recv(65536)
            assert piece, "the connection ended in a body"
            self._held += piece
        data, self._held = self._held[:size], self._held[size:]
        return data

    def head(self) -> Answer:
        first, *rest = self.until(b"\r\n\r\n").decode().split("\r\n")[:-2]
        headers = dict(line.lower().split(": ", 1) for line in rest)
        return Answer(int(first.split(" ")[1]), headers)

    def chunk(self) -> bytes:
        size = int(self.until(b"\r\n"), 16)
        return self.exactly(size + 2)[:-2]

    def chunks(self) -> bytes:
        """The rest of a body in chunks."""
        whole = b""
        while piece := self.chunk():
            whole += piece
        return whole

    def answer(self) -> Answer:
        """Read one whole answer."""
        answer = self.head()
        if "content-length" in answer.headers:
            answer.body = self.exactly(int(answer.headers["content-length"]))
        elif "chunked" in answer.headers.get("transfer-encoding", ""):
            answer.body = self.chunks()
        return answer

    def rest(self) -> bytes:
        """All that comes until the connection ends."""
        data, self._held = self._held, b""
        try:
            while piece := self.socket.recv(65536):
                data += piece
        except ConnectionResetError:
            return data
        return data

    def has_news(self) -> bool:
        """Whether something came that was not read."""
        looking = select.poll()
        looking.register(self.socket, select.POLLIN)
        return bool(looking.poll(0))

    def is_closed(self) -> bool:
        """Whether the other side has ended it; what came before is thrown away."""
        self.socket.setblocking(False)
        try:
            while self.socket.recv(65536):
                pass
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
        finally:
            self.socket.settimeout(PATIENCE_S)
        return True

    def end(self) -> None:
        """Say that nothing more will be sent."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection without a goodbye."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()
