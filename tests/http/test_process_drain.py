"""Rules of a stop, seen from outside: who is there is answered or told, and it ends in time."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenroom.http.config import Http1
from tests.http.conftest import PATH, data_of
from tests.peer import Peer, post
from tests.processes import Process, configuration, until

GRACE_S = 4.0
LAST_WORDS_S = 5.0
"""What a stop may take beside its grace: the actors' and the connections' ends."""


@pytest.fixture(params=["httptools", "h11"])
def http1(request: pytest.FixtureRequest) -> Http1:
    spoken: Http1 = request.param
    return spoken


@pytest.fixture
def running(tmp_path: Path, http1: Http1) -> Iterator[Process]:
    text = configuration(
        {"shutdownSeconds": GRACE_S, "writeTimeoutSeconds": 30}, http={"http1": http1}
    )
    with Process(tmp_path, text) as process:
        assert process.port
        yield process


def say(what: str, *, stream: bool = False, key: str | None = None, **more: str) -> bytes:
    body = {"model": "openclaw", "messages": [{"role": "user", "content": what}], "stream": stream}
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    if key is not None:
        headers["x-openclaw-session-key"] = key
    return post(PATH, json.dumps(body).encode(), **headers)


def stop(process: Process) -> float:
    """Begin its stop; when that was."""
    process.send(signal.SIGTERM)
    begun = time.monotonic()
    until(lambda: process.logged("gateway.stopping") or None, "the stop")
    return begun


def ends_well(process: Process, begun: float, within: float) -> float:
    assert process.wait(within + 5) == 0, process.errors
    taken = time.monotonic() - begun
    assert taken < within
    assert "Traceback" not in process.errors
    assert process.logged("gateway.down")
    return taken


def test_idle_connections_close_at_once_and_then_there_is_nothing_to_wait_for(
    running: Process,
) -> None:
    fresh, used, half = (Peer(running.port) for _ in range(3))
    with fresh, used, half:
        used.send(post("/v1/models", b"", method="GET"))
        assert used.answer().status == 200
        half.send(b"GET / HT")
        begun = stop(running)
        for peer in (fresh, used, half):
            assert peer.rest() == b""
        ends_well(running, begun, within=GRACE_S + LAST_WORDS_S)
        assert not running.logged("gateway.deadline")


def test_runs_get_their_time_and_the_rest_is_told_when_it_is_over(running: Process) -> None:
    """Each kind of client at once: a stop waits for none of them longer than for the others."""
    ends, whole, cut, waits, behind, slow = (Peer(running.port) for _ in range(6))
    deaf = Peer(running.port, buffer=4096)
    with ends, whole, cut, waits, behind, deaf, slow:
        ends.send(say("[slow 0.1] [say a b c d]", stream=True))
        whole.send(say("[wait 2.5] [say done]"))
        cut.send(say("[slow 0.1] [say " + "word " * 600 + "]", stream=True, key="one"))
        assert (ends.head().status, cut.head().status) == (200, 200)
        waits.send(say("[wait 600] [say never]"))
        behind.send(say("[say behind]", key="one"))
        deaf.send(say("[say " + "word " * 50_000 + "]", stream=True))
        slow.send(say("[say never]")[:-10])
        until(lambda: deaf.has_news() or None, "the first of what nobody reads")
        begun = stop(running)
        slow.send(b"   ")
        said = data_of(ends.chunks())
        assert said[-1] == "[DONE]"
        assert json.loads(said[-2])["choices"][0]["finish_reason"] == "stop"
        answer = whole.answer()
        assert answer.json()["choices"][0]["message"]["content"] == "done"
        assert answer.headers["connection"] == "close"

        said = data_of(cut.chunks())
        assert said[-1] == "[DONE]"
        assert json.loads(said[-2])["error"]["type"] == "api_error"
        for peer in (waits, behind, slow):
            answer = peer.answer()
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["error"]["code"] in {"interrupted", "stopping"}
        assert ends_well(running, begun, within=GRACE_S + LAST_WORDS_S) >= GRACE_S
        assert running.logged("gateway.deadline")


def test_who_asks_after_the_stop_is_told_to_come_again(running: Process, http1: Http1) -> None:
    with Peer(running.port) as peer:
        peer.send(say("[slow 0.5] [say a b c d e f]", stream=True))
        assert peer.head().status == 200
        begun = stop(running)
        with pytest.raises(ConnectionRefusedError):
            Peer(running.port)
        peer.send_if_open(say("too late"))
        assert data_of(peer.chunks())[-1] == "[DONE]"
        # Hypercorn closes behind the answer, ours tells, since its head has promised another one.
        assert peer.rest().startswith(b"HTTP/1.1 503 " if http1 == "httptools" else b"")
        ends_well(running, begun, within=GRACE_S + LAST_WORDS_S)


def test_a_turn_that_goes_on_without_its_client_has_its_time_as_well(running: Process) -> None:
    again = say("[slow 0.1] [say a b c d e f]", stream=True, key="k", idempotency_key="one")
    with Peer(running.port) as peer:
        peer.send(again)
        assert peer.head().status == 200
    until(lambda: running.logged("http.request") or None, "its leaving")
    ends_well(running, stop(running), within=GRACE_S + LAST_WORDS_S)
    assert not running.logged("gateway.deadline")
    with Process(running.folder) as next_one, Peer(next_one.port) as peer:
        peer.send(again)
        assert peer.head().status == 200
        said = data_of(peer.chunks())
        assert json.loads(said[-2])["choices"][0]["finish_reason"] == "stop"
        (line,) = until(lambda: next_one.logged("http.request") or None, "its line")
        assert line["whole"]
