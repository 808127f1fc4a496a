"""A model server for the gateways that are measured: `python -m bench.http.upstream`.

It prints its port, and lasts until its standard input ends. One loop over sockets, without tasks: on the
core that it shares with the clients it is to cost as little as it can. Each token tells when it was sent.
"""

import heapq
import selectors
import socket
import sys
import time
from collections.abc import Callable
from functools import partial

import httptools

from bench.http.plan import CHUNKS, MODELS, PAUSE, RELEASE, Model

_EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m",'
    b'"system_fingerprint":"fp_1","choices":[{"index":0,"delta":{%b"content":" @%d."},'
    b'"logprobs":null,"finish_reason":null}]}\n\n'
)
_END = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m",'
    b'"system_fingerprint":"fp_1","choices":[{"index":0,"delta":{},"logprobs":null,'
    b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
_COMPLETION = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":'
    b'[{"index":0,"message":{"role":"assistant","content":"%b @%d."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":99,"total_tokens":108}}'
)
_WORDS = b"A word. " * 50
_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    b"x-request-id: 0123456789abcdef\r\n\r\n"
)
_NOTHING = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _token(*, first: bool = False) -> bytes:
    return _EVENT % (b'"role":"assistant",' if first else b"", time.monotonic_ns())


class Upstream:
    """All connections, and the tokens that are due."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, int, _Connection]] = []
        self._count = 0
        self.held: list[_Connection] = []

    def listen(self) -> int:
        """Listen on loopback; return the port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        listener.setblocking(False)
        self._watch(listener, partial(self._accept, listener))
        port: int = listener.getsockname()[1]
        return port

    def run(self) -> None:
        """Serve until standard input ends."""
        self._watch(sys.stdin.buffer, lambda: True)
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for key, _ in self._selector.select(wait):
                if key.data():
                    return
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                at, _, left, connection = heapq.heappop(self._due)
                connection.tell(at, left)

    def later(self, at: float, left: int, connection: "_Connection") -> None:
        """Have a connection tell its next token at a moment, `left` more after it."""
        self._count += 1
        heapq.heappush(self._due, (at, self._count, left, connection))

    def forget(self, connection: socket.socket) -> None:
        """Close a connection."""
        self._selector.unregister(connection)
        connection.close()

    def _watch(self, file: object, ready: Callable[[], bool]) -> None:
        self._selector.register(file, selectors.EVENT_READ, ready)  # type: ignore[arg-type]

    def _accept(self, listener: socket.socket) -> bool:
        stream, _ = listener.accept()
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.settimeout(10.0)  # answers are small: whoever does not take one is gone
        self._watch(stream, _Connection(self, stream).ready)
        return False


class _Connection:
    """One client; the parser calls its `on_…`."""

    def __init__(self, upstream: Upstream, stream: socket.socket) -> None:
        self._upstream = upstream
        self._stream = stream
        self._body: list[bytes] = []
        self._parser = httptools.HttpRequestParser(self)
        self._is_open = True

    def ready(self) -> bool:
        """Read; answer each request that is whole."""
        try:
            data = self._stream.recv(65_536)
        except OSError:
            data = b""
        if data:
            self._parser.feed_data(data)
        else:
            self._is_open = False
            self._upstream.forget(self._stream)
        return False

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        body = b"".join(self._body)
        self._body.clear()
        if body == RELEASE:
            for connection in self._upstream.held:
                connection.end()
            self._upstream.held.clear()
        for model in MODELS:
            if b'"%b"' % model.encode() in body:
                return self._answer(model)
        return self._send(_NOTHING)

    def _answer(self, model: Model) -> None:
        match model:
            case "whole":
                body = _COMPLETION % (_WORDS, time.monotonic_ns())
                self._send(_ANSWER % (len(body), body))
            case "burst":
                tokens = [_chunk(_token(first=number == 0)) for number in range(CHUNKS)]
                self._send(b"".join((_STREAM, *tokens, _chunk(_END), b"0\r\n\r\n")))
            case "paced":
                self._send(_STREAM + _chunk(_token(first=True)))
                self._upstream.later(time.monotonic() + PAUSE, CHUNKS - 2, self)
            case "held":
                self._send(_STREAM + _chunk(_token(first=True)))
                self._upstream.held.append(self)

    def tell(self, at: float, left: int) -> None:
        """Send a token that was due, and the end after the last one."""
        if not self._is_open:
            return
        if left:
            self._send(_chunk(_token()))
            self._upstream.later(at + PAUSE, left - 1, self)
        else:
            self._send(_chunk(_token()))
            self.end()

    def end(self) -> None:
        """Send the end of a stream."""
        self._send(_chunk(_END) + b"0\r\n\r\n")

    def _send(self, data: bytes) -> None:
        if not self._is_open:
            return
        try:
            self._stream.sendall(data)
        except OSError:
            return  # the gateway has left; its end is read as well


def main() -> None:
    """Serve."""
    upstream = Upstream()
    sys.stdout.write(f"{upstream.listen()}\n")
    sys.stdout.flush()
    upstream.run()


if __name__ == "__main__":
    main()
