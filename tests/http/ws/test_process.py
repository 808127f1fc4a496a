"""The WebSocket of a running gateway, with a real client on a real socket."""

import json
import re
import signal
import socket
import struct
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.http.test_process import Gateway, environment
from tests.http.ws.conftest import text_of

WAIT_S = 20.0


class Client:
    """A client's end of a connection."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self._ids = 0

    def ask(self, method: str, **params: Any) -> str:
        self._ids += 1
        id_ = str(self._ids)
        self.ws.send(json.dumps({"type": "req", "id": id_, "method": method, "params": params}))
        return id_

    def hear(self) -> dict[str, Any]:
        while True:
            frame: dict[str, Any] = json.loads(self.ws.recv(timeout=WAIT_S))
            if frame.get("event") != "tick":
                return frame

    def get(self, method: str, **params: Any) -> Any:
        id_ = self.ask(method, **params)
        frame = self.hear()
        assert (frame["type"], frame["id"], frame["ok"]) == ("res", id_, True), frame
        return frame["payload"]

    def events(self) -> list[dict[str, Any]]:
        """Return the events of the only turn there is, to its end."""
        heard = [self.hear()]
        while heard[-1]["event"] == "chat.chunk":
            heard.append(self.hear())
        return heard

    def cut(self) -> None:
        """Have the connection reset, as a network does that is gone."""
        self.ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.ws.close_socket()

    def closed(self) -> int:
        """Wait for the server to close; return its code."""
        with pytest.raises(ConnectionClosed) as closed:
            self.ws.recv(timeout=WAIT_S)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code


@contextmanager
def dial(gateway: Gateway, compression: str | None = None) -> Generator[Client]:
    """Open a connection that has said nothing yet."""
    url = gateway.url.replace("http", "ws", 1) + "/v1/ws"
    ws: ClientConnection
    with connect(
        url, proxy=None, compression=compression, open_timeout=WAIT_S, close_timeout=WAIT_S
    ) as ws:
        yield Client(ws)


@contextmanager
def connected(gateway: Gateway) -> Generator[Client]:
    with dial(gateway) as client:
        client.get("connect", auth={"token": gateway.token})
        yield client


def start(folder: Path) -> Gateway:
    return Gateway(folder, environment(folder / "home"), "--store", "sessions.db")


def end(gateway: Gateway) -> None:
    if gateway.process.poll() is None:
        gateway.process.kill()
    gateway.process.communicate(timeout=WAIT_S)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = start(tmp_path_factory.mktemp("gateway"))
    # Its log would fill the pipe.
    assert running.process.stderr is not None
    reading = threading.Thread(target=running.process.stderr.read, daemon=True)
    reading.start()
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait(timeout=WAIT_S)
        reading.join(timeout=WAIT_S)
        for pipe in (running.process.stdout, running.process.stderr):
            assert pipe is not None
            pipe.close()


def test_an_sdk_over_http_and_a_websocket_see_one_order_of_turns(gateway: Gateway) -> None:
    turns_each = 12

    def over_http() -> list[str]:
        said: list[str] = []
        with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.token) as sdk:
            for number in range(turns_each):
                answer = sdk.chat.completions.create(
                    model="openclaw",
                    messages=[{"role": "user", "content": f"http {number}"}],
                    extra_headers={"x-openclaw-session-key": "shared"},
                )
                said.append(answer.choices[0].message.content or "")
        return said

    def over_websocket() -> list[str]:
        said: list[str] = []
        with connected(gateway) as client:
            for number in range(turns_each):
                client.get("chat.send", text=f"ws {number}", session="shared")
                said.append(text_of(client.events()))
        return said

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(over_http), pool.submit(over_websocket)]
        told = [answer.result(timeout=60) for answer in answers]
    with connected(gateway) as client:
        entries = client.get("sessions.transcript", key="shared", limit=1000)["data"]
    asked = [e["message"]["content"] for e in entries if e["message"]["role"] == "user"]
    answered = [e["message"]["content"] for e in entries if e["message"]["role"] == "assistant"]
    assert [entry["message"]["role"] for entry in entries] == ["user", "assistant"] * len(asked)
    assert len(asked) == 2 * turns_each
    for way, heard in zip(("http", "ws"), told, strict=True):
        places = [place for place, text in enumerate(asked) if text.startswith(way)]
        assert [asked[place] for place in places] == [f"{way} {n}" for n in range(turns_each)]
        assert [answered[place] for place in places] == heard
    for place, text in enumerate(answered, 1):
        assert re.search(rf"your {place}(st|nd|rd|th) message", text)


@pytest.mark.parametrize("cut", range(7))
def test_a_reset_in_mid_answer_loses_nothing(gateway: Gateway, cut: int) -> None:
    text, key = "[slow 0.01] [say one two three four]", f"cut-{cut}"
    with connected(gateway) as client:
        turn = client.get("chat.send", text=text, session=key, on_disconnect="continue")["turn"]
        heard = [client.hear() for _ in range(cut)]
        client.cut()
    with connected(gateway) as client:
        client.get("chat.attach", turn=turn, session=key, starting_after=cut)
        rest = client.events()
    assert [event["seq"] for event in heard + rest] == list(range(1, 8))
    assert text_of(heard + rest) == "one two three four"
    assert rest[-1]["event"] == "chat.done"


def test_a_reset_ends_a_turn_that_is_its_clients_alone(gateway: Gateway) -> None:
    with connected(gateway) as client:
        client.get("chat.send", text="[slow 600] [say one two]", session="left")
        client.cut()
    # The session has one turn at a time, so this one tells that the other has ended.
    with connected(gateway) as client:
        client.get("chat.send", text="[say fine]", session="left")
        assert text_of(client.events()) == "fine"


def test_a_large_request_is_taken_once_it_is_known_who_sends_it(gateway: Gateway) -> None:
    with connected(gateway) as client:
        client.get("chat.send", text="[say fine]" + "é" * 1_000_000)
        assert text_of(client.events()) == "fine"


def test_a_stranger_sends_64_kib_at_most(gateway: Gateway) -> None:
    with dial(gateway) as client:
        with suppress(ConnectionClosed):  # where the refusal comes before all is sent
            client.ws.send("x" * 1_000_000)
        assert client.closed() == 1009


def test_a_message_without_an_end_is_bounded_as_well(gateway: Gateway) -> None:
    def for_ever() -> Iterator[str]:
        while True:
            yield "x" * 1_000

    with dial(gateway) as client:
        with pytest.raises(ConnectionClosed):
            client.ws.send(for_ever())
        assert client.closed() == 1009


def test_nothing_is_compressed(gateway: Gateway) -> None:
    with dial(gateway, compression="deflate") as client:
        assert client.ws.response is not None
        assert "sec-websocket-extensions" not in client.ws.response.headers


def test_bytes_that_are_no_websocket_end_their_connection_alone(gateway: Gateway) -> None:
    with connected(gateway) as other:
        with dial(gateway) as client:
            client.ws.socket.sendall(b"\xff" * 64)
            with pytest.raises(ConnectionClosed):
                client.hear()
        assert other.get("sessions.list", limit=1)["object"] == "list"


def test_a_turn_is_heard_after_a_restart_and_a_stop_says_so(tmp_path: Path) -> None:
    first = start(tmp_path)
    try:
        with connected(first) as client:
            turn = client.get("chat.send", text="[say one two]", session="k")["turn"]
            events = client.events()
            begun = time.monotonic()
            first.process.send_signal(signal.SIGTERM)
            assert client.hear()["event"] == "shutdown"
            assert client.closed() == 1001
        assert first.process.wait(timeout=WAIT_S) == 0
        assert time.monotonic() - begun < 5, "an idle connection does not hold the end"
    finally:
        end(first)
    second = start(tmp_path)
    try:
        with connected(second) as client:
            client.get("chat.attach", turn=turn, starting_after=2)
            rest = client.events()
        assert [event["payload"] for event in rest] == [event["payload"] for event in events[2:]]
    finally:
        end(second)
