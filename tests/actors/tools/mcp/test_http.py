"""Servers that are reached over streamable HTTP: one of the official SDK's, in a process of its own."""

import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from pathlib import Path

import pytest
import trio

from greenroom.actors.settings import Secret
from greenroom.actors.tools.mcp.peer import Peer
from greenroom.actors.tools.mcp.serving import connect
from greenroom.actors.tools.mcp.settings import Http, McpServer
from tests.actors.tools.mcp.conftest import LOST, call, running, until

# The SDK leaves the reading of an event stream in its middle; the response itself it closes.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Async generator '(httpx2|httpcore2):ResourceWarning"
)

SCRIPT = Path(__file__).parent / "servers" / "official.py"


class Office:
    """A server on a port, which can be killed and opened again."""

    def __init__(self) -> None:
        with closing(socket.socket()) as one:
            one.bind(("127.0.0.1", 0))
            self.port: int = one.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.settings = McpServer("o", Http(f"http://127.0.0.1:{self.port}/mcp"))

    def open(self) -> None:
        command = [sys.executable, str(SCRIPT), str(self.port)]
        self.process = subprocess.Popen(command)  # noqa: S603 - our own

    def is_open(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def office() -> Iterator[Office]:
    office = Office()
    office.open()
    yield office
    office.kill()


def older(
    settings: McpServer, *, plain: bool, said: Callable[[str], None]
) -> AbstractAsyncContextManager[Peer]:
    """Greet in the older way, whatever is asked for."""
    return connect(settings, plain=True, said=said)


@pytest.mark.parametrize("connection", [connect, older])
async def test_the_tools_of_a_server_over_http_work_and_their_changes_are_followed(
    office: Office, connection: object
) -> None:
    await until(office.is_open)
    async with running(office.settings, connection=connection) as servers:
        host = servers.hosts["o"]
        assert await call(host, "o_echo", text="hé") == "hé"
        assert await call(host, "o_fail") == "Error: Error executing tool fail"
        told: dict[int, str] = {}

        async def one(number: int) -> None:
            told[number] = await call(host, "o_echo", text=str(number))

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(one, number)
        assert told == {number: str(number) for number in range(50)}
        name = f"new_{connection is older}"
        assert await call(host, "o_learn", name=name) == "learned"
        await until(lambda: f"o_{name}" in {tool.name for tool in host.tools()})
        assert await call(host, f"o_{name}") == "new"


@pytest.mark.parametrize("connection", [connect, older])
async def test_a_killed_server_fails_its_calls_as_results_and_comes_back(
    office: Office, connection: object, trouble: list[str]
) -> None:
    await until(office.is_open)
    async with running(office.settings, connection=connection) as servers:
        host, told = servers.hosts["o"], list[str]()
        pid = await call(host, "o_pid")

        async def hang() -> None:
            told.append(await call(host, "o_hang"))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(hang)
            await trio.testing.wait_all_tasks_blocked(0.2)
            office.kill()
        assert all(text.startswith("Error: the MCP server 'o' ended") for text in told), told
        assert len(told) == 5
        await until(lambda: not servers.status()[0].is_up)
        office.open()
        await until(lambda: servers.status()[0].starts == 2)
        assert await call(host, "o_pid") != pid
    assert set(trouble) == set(LOST)
    trouble.clear()


async def test_a_call_that_hangs_is_cut_off_at_its_limit(office: Office) -> None:
    await until(office.is_open)
    transport = office.settings.transport
    async with running(McpServer("o", transport, call_seconds=0.3)) as servers:
        assert await call(servers.hosts["o"], "o_hang") == "Error: too slow"
        assert await call(servers.hosts["o"], "o_echo", text="a") == "a"


# What goes wrong with HTTP itself


@asynccontextmanager
async def answering(answer: bytes) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """A server that gives each request the same answer; it tells its address and what it was sent."""
    heard: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            heard.append(await stream.receive_some(65536))
            await stream.send_all(answer)
            await stream.send_eof()
            while await stream.receive_some():
                pass
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listener, *_ = await nursery.start(trio.serve_tcp, serve, 0)
        port = listener.socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}/mcp", heard
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "401 Unauthorized",
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi", "text/html"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]",
            "parse JSON",
        ),
        (
            b"HTTP/1.1 307 Moved\r\nlocation: http://other.invalid/\r\ncontent-length: 0\r\n\r\n",
            "http://other.invalid/ not followed",
        ),
        (b"this is no HTTP\r\n\r\n", "RemoteProtocolError"),
        (b"", "RemoteProtocolError"),
    ],
)
async def test_a_server_that_is_none_is_down_and_says_why(
    answer: bytes, why: str, trouble: list[str]
) -> None:
    async with answering(answer) as (url, heard):
        transport = Http(url, {"authorization": Secret("Bearer abc")})
        async with running(McpServer("o", transport)) as servers:
            [status] = servers.status()
            assert not status.is_up
            assert status.trouble
            assert "abc" not in status.trouble
            assert why in status.trouble
        assert b"authorization: Bearer abc" in heard[0].replace(b"Authorization", b"authorization")
    assert set(trouble) <= set(LOST)
    trouble.clear()


async def test_a_server_that_nobody_answers_for_is_down(trouble: list[str]) -> None:
    async with running(Office().settings) as servers:
        assert "ConnectError" in (servers.status()[0].trouble or "")
    assert set(trouble) <= set(LOST)
    trouble.clear()
