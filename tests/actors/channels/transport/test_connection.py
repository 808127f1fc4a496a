"""A connection sends what it has to, whole and in order, and knows when it is of no more use."""

import socket

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.transport import connection as module
from greenroom.actors.channels.transport.address import Origin
from greenroom.actors.channels.transport.connection import Connection, SecureConnection, connect
from tests.actors.channels.conftest import listen

SIZE = 20_000_000
"""Bytes that no socket takes at once."""


def pair() -> tuple[Connection, trio.SocketStream]:
    """Return a connection and its upstream's end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
    return Connection(Origin(False, "h", 1), ours), stream


async def receive(stream: trio.SocketStream, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        data += await stream.receive_some()
    return bytes(data)


async def test_what_the_network_does_not_take_at_once_is_sent_when_it_does(
    nursery: trio.Nursery,
) -> None:
    connection, upstream = pair()
    data = bytes(range(250)) * (SIZE // 250)
    nursery.start_soon(connection.send, data)
    assert await receive(upstream, SIZE) == data
    connection.close()
    assert await upstream.receive_some() == b""
    await upstream.aclose()


async def test_it_is_quiet_until_something_comes() -> None:
    connection, upstream = pair()
    assert connection.quiet()
    await upstream.send_all(b"x")
    assert not connection.quiet()
    assert await connection.receive() == b"x"
    assert connection.quiet()
    await upstream.aclose()
    assert not connection.quiet()
    connection.close()


async def test_closing_again_does_nothing() -> None:
    connection, upstream = pair()
    connection.close()
    connection.close()
    assert await upstream.receive_some() == b""
    await upstream.aclose()


async def test_whatever_goes_wrong_is_one_error() -> None:
    connection, upstream = pair()
    await upstream.aclose()
    with pytest.raises(trio.BrokenResourceError) as caught:
        await connection.send(b"x")
    assert isinstance(caught.value.__cause__, OSError)
    connection.close()


class NoTls:
    """Records that are plain, and owe an exclamation mark for each piece that came."""

    def __init__(self, *_: object) -> None:
        self._came = b""
        self._owed = b""

    def shake(self) -> bool:
        return True

    def feed(self, data: bytes) -> None:
        self._came += data

    def owed(self) -> bytes:
        owed, self._owed = self._owed, b""
        return owed

    def sealed(self, data: bytes) -> bytes:
        return data

    def opened(self) -> tuple[bytes, bool]:
        came, self._came = self._came, b""
        self._owed += b"!"
        return came.strip(b"."), came == b"end"


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> tuple[SecureConnection, trio.SocketStream]:
    """A connection over `NoTls`, and its upstream's end."""
    monkeypatch.setattr(module, "Records", NoTls)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
    return SecureConnection(Origin(True, "h", 1), ours), stream


Plain = tuple[SecureConnection, trio.SocketStream]


async def test_what_tls_owes_is_sent_while_more_is_awaited(
    plain: Plain, nursery: trio.Nursery
) -> None:
    connection, upstream = plain
    nursery.start_soon(connection.receive)
    await upstream.send_all(b".")
    assert await upstream.receive_some() == b"!"
    await upstream.send_all(b"x")
    await wait_all_tasks_blocked()
    await connection.send(b"request")
    assert await receive(upstream, 8) == b"!request"
    connection.close()
    await upstream.aclose()


async def test_no_record_is_cut_by_whoever_is_cancelled(
    plain: Plain, nursery: trio.Nursery
) -> None:
    connection, upstream = plain
    data = bytes(range(250)) * (SIZE // 250)
    with trio.move_on_after(0.01) as scope:
        await connection.send(data)
    assert scope.cancelled_caught
    nursery.start_soon(connection.receive)
    assert await receive(upstream, SIZE) == data
    await upstream.send_all(b"end")
    await wait_all_tasks_blocked()
    assert not connection.quiet()
    assert await connection.receive() == b""
    connection.close()
    await upstream.aclose()


async def test_a_handshake_that_is_cancelled_leaves_no_socket(nursery: trio.Nursery) -> None:
    ended = trio.Event()

    async def hear(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            pass
        ended.set()

    port = await listen(nursery, hear)
    with trio.move_on_after(0.05):
        await connect(Origin(True, "127.0.0.1", port))
    with trio.fail_after(1):
        await ended.wait()


async def test_a_nudge_is_felt_at_once_or_at_the_next_wait() -> None:
    """Whether the reader runs before the nudge, which comes at that moment, is chance: tried often."""

    async def receive_twice(connection: Connection, felt: list[bytes | None]) -> None:
        for _ in range(2):
            try:
                felt.append(await connection.receive())
            except trio.ClosedResourceError:
                felt.append(None)

    async def nudge(connection: Connection, when: Connection) -> None:
        await when.receive()
        connection.nudge()

    for _ in range(20):
        (ours, upstream), (another, its_upstream) = socket.socketpair(), socket.socketpair()
        connection, other = (Connection(Origin(False, "h", 1), one) for one in (ours, another))
        felt: list[bytes | None] = []
        with upstream, its_upstream, trio.fail_after(5):
            ours.setblocking(False)
            another.setblocking(False)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive_twice, connection, felt)
                nursery.start_soon(nudge, connection, other)
                await wait_all_tasks_blocked()
                upstream.send(b"x")
                its_upstream.send(b"y")
        assert sorted(felt, key=str) == [None, b"x"]
        connection.close()
        other.close()


async def test_a_nudge_that_is_taken_back_is_not_felt() -> None:
    connection, upstream = pair()
    connection.nudge()
    connection.calm()
    await upstream.send_all(b"x")
    assert await connection.receive() == b"x"
    connection.close()
    await upstream.aclose()
