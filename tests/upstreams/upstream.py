"""A vendor's server that a test has to itself: three APIs on one port of the loopback, in a thread.

It answers as the vendors do (`openai`, `anthropic`, `ollama`), says what `cues` make of the last message,
misbehaves as the model's name tells (`behaviour`), and keeps a record of every request. Its port is taken
when it is made, and refuses connections until `start`.
"""

import socket
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Self

import trio

from tests.upstreams.anthropic.api import Anthropic
from tests.upstreams.api import Api
from tests.upstreams.connection import Connection
from tests.upstreams.exchange import Exchange, Record
from tests.upstreams.ollama.api import Ollama
from tests.upstreams.openai.api import OpenAI
from tests.upstreams.speech import Heard

_APIS: dict[str, Api] = {api.path: api for api in (OpenAI(), Anthropic(), Ollama())}
_BACKLOG = 1024


class Upstream:
    """The server; as a context, it runs."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.records: list[Record] = []
        self._asked = Counter[str]()
        self._held: defaultdict[str, trio.Event] = defaultdict(trio.Event)
        self._started = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,), name="upstream")
        self._stop: Callable[[], None] | None = None
        self._token: trio.lowlevel.TrioToken | None = None

    @property
    def root(self) -> str:
        """Its address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def asked(self, model: str) -> list[Record]:
        """Return the requests for a model so far."""
        return [record for record in self.records if record.model == model]

    @property
    def last(self) -> Heard:
        """The last request that was not refused."""
        return next(r.heard for r in reversed(self.records) if r.heard is not None)

    def let_go(self, model: str) -> None:
        """Send the rest of what is held for a model, from now on also of what is asked later."""

        def go_on() -> None:
            self._held[model].set()

        assert self._token is not None, "it has not been started"
        self._token.run_sync_soon(go_on)

    def start(self) -> None:
        """Take connections from now on."""
        self._socket.listen(_BACKLOG)
        self._thread.start()
        self._started.wait()

    def close(self) -> None:
        """Close the port and every connection."""
        if self._stop is not None:
            with suppress(trio.RunFinishedError):  # it has failed, which its thread has told
                self._stop()
            self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _serve(self) -> None:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self._socket))
        with trio.CancelScope() as scope:
            token = self._token = trio.lowlevel.current_trio_token()
            self._stop = lambda: token.run_sync_soon(scope.cancel)
            self._started.set()
            await trio.serve_listeners(self._take, [listener])

    async def _take(self, stream: trio.SocketStream) -> None:
        async with stream:
            connection = Connection(stream)
            while (request := await connection.request()) is not None:
                api = _APIS.get(request.path)
                if api is None or request.method != "POST":
                    await connection.answer(404, {"content-type": "text/plain"}, b"Not Found")
                    continue
                number = len(self.records)
                exchange = Exchange(api, connection, request, self._asked, number, self._held)
                self.records.append(exchange.record)
                await exchange.run()
                if exchange.record.end != "whole":
                    return
