"""Connections that are many, slow, silent, broken or deaf: each ends in time, and the gateway goes on."""

import time
from contextlib import ExitStack, suppress

import pytest

from tests.attacks.conftest import MIB, Target, chat
from tests.http.conftest import PATH
from tests.peer import Peer, post
from tests.processes import TOKEN, until

GET = post("/health", b"", method="GET")


def all_end(peers: list[Peer]) -> None:
    until(lambda: all(peer.is_closed() for peer in peers) or None, "the end of the connections")


def test_a_thousand_connections_are_served_at_once(target: Target) -> None:
    # Hypercorn's own takes five times as long for each, which would only measure the machine.
    many = 1000 if target.http1 == "httptools" else 200
    memory: list[int] = []
    for _ in range(2):
        with ExitStack() as stack:
            peers = [stack.enter_context(target.connect()) for _ in range(many)]
            for peer in peers:
                peer.send(GET)
            assert {peer.answer().status for peer in peers} == {200}
        target.wait_for_sockets()
        memory.append(target.process.memory())
    assert memory[-1] - memory[0] < 8 * MIB, "each wave leaves something behind"


def test_a_thousand_connections_that_say_nothing_are_closed(target: Target) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(target.connect()) for _ in range(1000)]
        all_end(peers)


def test_connections_that_break_off_leave_nothing(target: Target) -> None:
    sent = [b"", b"\r\n", b"GET", GET[:-2], chat("[say a]")[:-5], chat("[slow 1] [say a b c]")]
    for number in range(120):
        peer = target.connect()
        peer.send(sent[number % len(sent)])
        if number % 2:
            peer.reset()
        else:
            peer.socket.close()


def test_connections_whose_client_only_listens_end(target: Target) -> None:
    """Half-open ones: their client has said that it sends no more."""
    with ExitStack() as stack:
        peers = [stack.enter_context(target.connect()) for _ in range(50)]
        for number, peer in enumerate(peers):
            peer.send([b"", b"GET / HT", chat("[say a]")[:-5]][number % 3])
            peer.end()
        all_end(peers)


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ",
        f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n"
        "content-length: 1000\r\n\r\n{".encode(),
        f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n"
        "transfer-encoding: chunked\r\n\r\n5\r\n{".encode(),
    ],
    ids=["request line", "header", "body", "chunk"],
)
def test_what_comes_byte_by_byte_does_not_come_for_ever(target: Target, beginning: bytes) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(target.connect()) for _ in range(40)]
        for peer in peers:
            peer.send(beginning)
        begun = time.monotonic()

        def drip() -> bool | None:
            time.sleep(0.1)
            return all(not peer.send_if_open(b"a") or peer.is_closed() for peer in peers) or None

        until(drip, "the end of the connections")
        # Its time, a look at it now and then, and the listening to whoever still sends.
        assert time.monotonic() - begun < 8


def test_a_client_that_never_reads_is_left(target: Target) -> None:
    words = chat("[say " + "word " * 60_000 + "]", stream=True, key="deaf")
    with ExitStack() as stack:
        peers = [stack.enter_context(target.connect(buffer=4096)) for _ in range(4)]
        for number, peer in enumerate(peers):
            peer.send(words.replace(b"deaf", b"dea%d" % number))
        until(lambda: all(peer.has_news() for peer in peers) or None, "the first words")
        before = len(target.process.logged("http.request"))
        until(
            lambda: len(target.process.logged("http.request")) >= before + 4 or None,
            "their being left",
        )
        assert not any(line["whole"] for line in target.process.logged("http.request")[before:][:4])


def test_requests_one_behind_the_other_are_answered_in_their_order(target: Target) -> None:
    with target.connect() as peer:
        for _ in range(10):
            peer.send(GET * 50 + post("/nowhere", b"", method="GET"))
            statuses = [peer.answer().status for _ in range(51)]
            assert statuses == [200] * 50 + [404]


def test_requests_whose_answers_nobody_reads_are_not_taken_without_end(target: Target) -> None:
    with target.connect(buffer=4096) as peer:
        peer.socket.settimeout(0.5)
        sent = 0
        flood = GET * 1000
        with suppress(OSError):
            while sent < 64 * MIB:
                sent += peer.socket.send(flood)
        assert sent < 64 * MIB
        assert target.process.memory() < 400 * MIB
