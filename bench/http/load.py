"""The clients: so many connections, each with one request under way, in one loop without tasks.

Every answer is checked: its status, its end, and that no token is missing.
"""

import re
import selectors
import socket
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import httptools
import msgspec

from bench.http.plan import CHUNKS, PAUSE, RELEASE, Model, Spread
from bench.kernel.timing import percentile

PATIENCE = 60.0
"""Seconds after which an answer that does not come is a failure."""

_STAMP = re.compile(rb" @(\d+)\.")


class NotAnswered(Exception):  # noqa: N818 - a fact about a gateway
    """What was read is no whole answer."""


class Target(msgspec.Struct, frozen=True):
    """Where to ask, and how: the URL, what goes into the head, and how a model is called there."""

    url: str
    headers: Mapping[str, str] = {}
    prefix: str = ""

    def request(self, model: Model, headers: Mapping[str, str] | None = None) -> bytes:
        """Return a request's bytes."""
        parts = urlsplit(self.url)
        content = [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Say hello, and what else there is to say. " * 4},
        ]
        body = msgspec.json.encode(
            {"model": self.prefix + model, "messages": content}
            | ({} if model == "whole" else {"stream": True})
        )
        fields = {
            "host": parts.netloc,
            "content-type": "application/json",
            "content-length": str(len(body)),
            **self.headers,
            **(headers or {}),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {parts.path} HTTP/1.1\r\n{lines}\r\n".encode() + body

    def connect(self) -> socket.socket:
        """Open a connection."""
        parts = urlsplit(self.url)
        stream = socket.create_connection((parts.hostname or "", parts.port or 80), PATIENCE)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream


class Taken(msgspec.Struct):
    """What the clients saw, in seconds; see `plan.Sample`."""

    first: list[float] = []
    between: list[float] = []
    added: list[float] = []
    lasted: list[float] = []
    seconds: float = 0.0

    @property
    def stretch(self) -> float:
        """How many times as long as it must a paced stream took, at the median."""
        return percentile(self.lasted, 50) / ((CHUNKS - 1) * PAUSE)


def spread(seconds: list[float]) -> Spread | None:
    """Return the percentiles in milliseconds, None of nothing."""
    if not seconds:
        return None
    return Spread(percentile(seconds, 50) * 1e3, percentile(seconds, 99) * 1e3)


def load(target: Target, model: Model, at_once: int, seconds: float) -> Taken:
    """Ask, and ask again until so many seconds have passed; return when all is answered.

    Raises:
        NotAnswered: an answer was not what it must be, or did not come.
    """
    taken = Taken()
    selector = selectors.DefaultSelector()
    request = target.request(model)
    began = time.monotonic()
    clients = [_Client(target.connect(), request, model, taken) for _ in range(at_once)]
    for number, client in enumerate(clients):
        selector.register(client.stream, selectors.EVENT_READ, client)
        if model == "paced":  # who all began at one moment would all be told at one
            time.sleep(PAUSE / at_once * (number % 8))
        client.ask()
    under_way = at_once
    while under_way:
        ready = selector.select(PATIENCE)
        if not ready:
            raise NotAnswered(f"nothing within {PATIENCE:.0f} s")
        for key, _ in ready:
            client = key.data
            if client.read():
                if time.monotonic() < began + seconds:
                    client.ask()
                else:
                    under_way -= 1
                    selector.unregister(client.stream)
    taken.seconds = time.monotonic() - began
    for client in clients:
        client.stream.close()
    return taken


class _Client:
    """One connection; the parser calls its `on_…`."""

    def __init__(self, stream: socket.socket, request: bytes, model: Model, taken: Taken) -> None:
        self.stream = stream
        self._request = request
        self._model = model
        self._taken = taken

    def ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._ended = False
        self._last = 0.0
        self._began = time.monotonic()
        self.stream.sendall(self._request)

    def read(self) -> bool:
        """Take what came; return whether the answer has ended."""
        data = self.stream.recv(262_144)
        now = time.monotonic_ns()
        if not data:
            raise NotAnswered(f"closed after {b''.join(self._pieces)[-500:]!r}")
        if self._model == "paced":
            self._note(data, now)
        elif not self._last and (self._model == "whole" or b" @" in data):
            self._last = now / 1e9
            self._taken.first.append(self._last - self._began)
        self._parser.feed_data(data)
        if self._ended:
            self._check()
        return self._ended

    def _note(self, data: bytes, now: int) -> None:
        at = now / 1e9
        for stamp in _STAMP.findall(data):
            self._taken.added.append((now - int(stamp)) / 1e9)
            if self._last:
                self._taken.between.append(at - self._last)
            else:
                self._taken.first.append(at - self._began)
            self._last = at

    def _check(self) -> None:
        body = b"".join(self._pieces)
        status = self._parser.get_status_code()
        tokens = 1 if self._model == "whole" else CHUNKS
        ended = self._model == "whole" or b"[DONE]" in body[-64:]
        if status != 200 or len(_STAMP.findall(body)) != tokens or not ended:
            raise NotAnswered(f"status {status}: {body[-500:]!r}")
        self._taken.lasted.append(time.monotonic() - self._began)

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        self._ended = True


class Held:
    """Streams that are open and silent."""

    def __init__(self, target: Target, count: int, upstream: int) -> None:
        self._upstream = upstream
        request = target.request("held")
        self._streams: list[socket.socket] = []
        for _ in range(count):
            stream = target.connect()
            self._streams.append(stream)
            stream.sendall(request)
        for stream in self._streams:
            got = b""
            while not _STAMP.search(got):
                data = stream.recv(65_536)
                got += data
                if not data:
                    raise NotAnswered(f"closed after {got[-500:]!r}")

    def close(self) -> None:
        """Have the upstream end them, read that, and leave."""
        with socket.create_connection(("127.0.0.1", self._upstream), PATIENCE) as upstream:
            head = b"POST / HTTP/1.1\r\nhost: upstream\r\ncontent-length: %d\r\n\r\n"
            upstream.sendall(head % len(RELEASE) + RELEASE)
            upstream.recv(1024)
        for stream in self._streams:
            stream.recv(65_536)
        for stream in self._streams:
            stream.close()


def ask_once(target: Target, model: Model, headers: Mapping[str, str] | None = None) -> None:
    """Ask one thing on a connection of its own."""
    with target.connect() as stream:
        client = _Client(stream, target.request(model, headers), model, Taken())
        client.ask()
        while not client.read():
            continue
