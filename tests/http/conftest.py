"""What tests of the HTTP layer share: a house in this process, a channel to watch, a client for it.

Import the names from `tests.http.conftest`; pytest has it loaded before any test.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from types import TracebackType
from typing import Any, Self, TypeVar, cast
from urllib.parse import unquote

import msgspec
import trio

from greenroom.actors.channels.channel import Channel
from greenroom.actors.channels.scripted import ScriptedChannel
from greenroom.actors.errands.tools import Doors
from greenroom.actors.house import House, connect_channel
from greenroom.actors.household import Household
from greenroom.actors.settings import (
    AgentSettings,
    Cooldown,
    HouseSettings,
    ModelSettings,
    ProviderSettings,
    Retry,
    Secret,
    SessionLimits,
)
from greenroom.actors.stores.store import Store
from greenroom.actors.surroundings import Surroundings
from greenroom.actors.tools.mcp.serving import McpServers
from greenroom.http.app import create_app
from greenroom.http.config import FailureLimits, Gateway, HttpLimits, LogLevel, TokenAuth
from greenroom.http.exchange import App, Event, Exchange, Scope
from greenroom.runtime import System
from tests.conftest import Lines
from tests.stores import a_store

T = TypeVar("T")

TOKEN = "the-token-of-tests"
PATH = "/v1/chat/completions"

# A gateway loads these late, and no virtual time waits for that.
import_module("greenroom.http.routes")
import_module("greenroom.http.server.hypercorn_seat")

# Settings

GATEWAY = Gateway(
    host="127.0.0.1",
    port=0,
    auth=TokenAuth(Secret(TOKEN), "configuration"),
    failures=FailureLimits(),
    chat_completions=True,
    session_from_user=True,
    limits=HttpLimits(),
)


def house_settings(sessions: SessionLimits | None = None) -> HouseSettings:
    """Agents `main` and `beta`; `scripted` lists `demo`, `spare` lists `demo` and `org/m`."""
    return HouseSettings(
        agents=(AgentSettings("main", "scripted/demo"), AgentSettings("beta", "spare/org/m")),
        default_agent="main",
        providers=(
            _scripted("scripted", "demo"),
            _scripted("spare", "demo", "org/m"),
        ),
        sessions=sessions or SessionLimits(),
        patience=math.inf,
    )


def _scripted(id_: str, *models: str) -> ProviderSettings:
    listed = tuple(map(ModelSettings, models))
    return ProviderSettings(
        id_, "scripted", models=listed, retry=Retry(times=0), cooldown=Cooldown(failures=0)
    )


# A client


class Answer(msgspec.Struct):
    """What a client has got."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, which says of itself that it is JSON."""
        assert self.headers["content-type"] == "application/json; charset=utf-8"
        return json.loads(self.body)

    def error(self) -> dict[str, str | None]:
        """What is in the error envelope, which has its four keys and nothing beside them."""
        envelope = self.json()
        assert list(envelope) == ["error"]
        assert list(envelope["error"]) == ["message", "type", "param", "code"]
        error: dict[str, str | None] = envelope["error"]
        assert isinstance(error["message"], str)
        assert isinstance(error["type"], str)
        return error

    def chunks(self) -> list[Any]:
        """The JSON of a stream that ends as it must."""
        assert self.headers["content-type"] == "text/event-stream; charset=utf-8"
        return chunks_of(self.body)


def data_of(body: bytes) -> list[str]:
    """Read server-sent events the way a hand-written client does: exact frames, comments between."""
    assert body.endswith(b"\n\n"), "a client would lose the last event"
    found: list[str] = []
    for block in body.decode("utf-8").removesuffix("\n\n").split("\n\n"):
        assert "\n" not in block
        if block != ": keep-alive":
            assert block.startswith("data: ")
            found.append(block.removeprefix("data: "))
    return found


def chunks_of(body: bytes) -> list[Any]:
    """The JSON of a stream's events, the last of which is `[DONE]`, exactly."""
    *data, done = data_of(body)
    assert done == "[DONE]"
    assert body.endswith(b"data: [DONE]\n\n")
    return [json.loads(item) for item in data]


def text_of(chunks: Iterable[Any]) -> str:
    """The text of a stream's chunks."""
    return "".join(
        choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]
    )


def chat(text: str = "Hello", /, **fields: Any) -> dict[str, object]:
    """The body of a request."""
    messages = [{"role": "user", "content": text}]
    return {"model": "openclaw", "messages": messages, **fields}


Piece = bytes | float
"""A piece of a body, or a silence of some seconds."""


class Call:
    """One request under way, seen from its client; in the place of the server, ASGI on its other side."""

    def __init__(
        self, app: App, scope: Scope, pieces: Sequence[Piece], *, ends: bool = True
    ) -> None:
        self._app = app
        self._scope = scope
        self._pieces = list(pieces)
        self._ends = ends
        self._left = trio.Event()
        self._reads = trio.Event()
        self._reads.set()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: list[tuple[float, bytes]] = []
        self.begun_at: float | None = None
        self.whole = trio.Event()
        self.over = trio.Event()
        self.over_at: float | None = None
        self.crash: Exception | None = None

    async def run(self) -> None:
        """Have the application answer; an exception that it lets out is kept."""
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as crash:  # noqa: BLE001 - what the server would have to contain
            self.crash = crash
        finally:
            self.over_at = trio.current_time()
            self.over.set()

    async def answer(self) -> Answer:
        """Wait for the end and return what came."""
        await self.over.wait()
        assert self.crash is None
        assert self.whole.is_set()
        return Answer(self.status, self.headers, self.body)

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    def leave(self) -> None:
        """Close the connection."""
        self._left.set()

    def stop_reading(self) -> None:
        """Let the next write wait."""
        self._reads = trio.Event()

    def read_on(self) -> None:
        """Read again."""
        self._reads.set()

    async def _receive(self) -> Event:
        while self._pieces and not self._left.is_set():
            piece = self._pieces.pop(0)
            if isinstance(piece, float):
                with trio.move_on_after(piece):
                    await self._left.wait()
                continue
            more = bool(self._pieces) or not self._ends
            return {"type": "http.request", "body": piece, "more_body": more}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, event: Event) -> None:
        await trio.lowlevel.checkpoint()
        await self._reads.wait()
        if self._left.is_set():
            return  # as hypercorn does
        if event["type"] == "http.response.start":
            assert not self.status, "an answer has one head"
            self.status = event["status"]
            self.begun_at = trio.current_time()
            for name, value in event["headers"]:
                assert name == name.lower()
                assert name.decode() not in self.headers, "a header was sent twice"
                self.headers[name.decode()] = value.decode("latin-1")
            return
        assert event["type"] == "http.response.body"
        assert self.status
        assert not self.whole.is_set(), "an answer has one end"
        self.pieces.append((trio.current_time(), event["body"]))
        if not event.get("more_body", False):
            self.whole.set()
            self._left.set()  # hypercorn reports a disconnect after a whole answer


class Site:
    """A house with its application: `async with Site(…) as site`."""

    def __init__(
        self,
        channel: Channel | None = None,
        *,
        gateway: Gateway = GATEWAY,
        settings: HouseSettings | None = None,
        level: LogLevel = "debug",
        store: Store | None = None,
    ) -> None:
        self._channel = ScriptedChannel() if channel is None else channel
        self._gateway = gateway
        self._settings = settings or house_settings()
        self.lines = Lines(level)
        self._system = System("test", log=self.lines.log)
        self._store = store or a_store()
        self.house: House
        self.app: App

    async def __aenter__(self) -> Self:
        await self._system.__aenter__()
        self.house = await House.open(
            self._system, self._settings, self._store, lambda _: self._channel
        )
        self.app = create_app(self.house, self._gateway, self.lines.log)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._system.__aexit__(kind, error, trace)

    def call(
        self,
        body: object = None,
        *,
        method: str = "POST",
        path: str = PATH,
        headers: Mapping[str, str] | None = None,
        token: str | None = TOKEN,
        pieces: Sequence[Piece] | None = None,
        ends: bool = True,
        client: tuple[str, int] | None = ("192.0.2.7", 50_000),
        query: str = "",
    ) -> Call:
        """Return a request that is yet to be run; `pieces` is a body that comes bit by bit."""
        if pieces is None:
            pieces = [body if isinstance(body, bytes) else json.dumps(body).encode()]
        given = {"content-type": "application/json"}
        if token is not None:
            given["authorization"] = f"Bearer {token}"
        given |= dict(headers or {})
        scope = scope_of(method, path, given, client, query)
        return Call(self.app, scope, [*pieces] or [b""], ends=ends)

    async def post(self, body: object = None, **rest: Any) -> Answer:
        """Ask, and wait for the whole answer."""
        call = self.call(body, **rest)
        await call.run()
        return await call.answer()

    async def get(self, path: str, **rest: Any) -> Answer:
        return await self.post(b"", method="GET", path=path, **rest)


def scope_of(
    method: str,
    path: str,
    headers: Mapping[str, str],
    client: tuple[str, int] | None = ("192.0.2.7", 50_000),
    query: str = "",
) -> Scope:
    """The scope that a server makes of a request's head."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(n.lower().encode(), v.encode("latin-1")) for n, v in headers.items()],
        "client": client,
        "server": ("127.0.0.1", 18789),
        "extensions": {},
    }


def exchange_of(
    headers: Mapping[str, str] | None = None,
    client: tuple[str, int] | None = ("192.0.2.7", 50_000),
) -> Exchange:
    """A request of which only the head is looked at."""

    async def nothing(*_: object) -> Event:
        raise AssertionError("only the head of a request is looked at here")

    return Exchange(scope_of("POST", PATH, headers or {}, client), nothing, cast("Any", nothing))


def closed_house() -> House:
    """A house that knows its names and answers nobody."""
    nobody = Surroundings(a_store(), trio.current_time)
    system, settings, servers = System("closed"), house_settings(), McpServers(())
    return House(Household(system, settings, connect_channel, nobody, servers, Doors()), nobody)
