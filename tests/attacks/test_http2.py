"""Frames that are hostile, over TLS: their connection may end, and no other one notices."""

import ssl
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import h2.config
import h2.connection
import pytest

from tests.attacks.conftest import LIMITS, Target
from tests.http.test_process_edge import TLS, issue
from tests.peer import Peer
from tests.processes import TOKEN, Process, configuration

GET = [(":method", "GET"), (":path", "/health"), (":scheme", "https"), (":authority", "localhost")]
POST = [(":method", "POST"), *GET[1:]]
MANY = 20_000
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = (
    0,
    1,
    2,
    3,
    4,
    6,
    7,
    8,
    9,
)
END_STREAM, END_HEADERS = 1, 4
ENHANCE_YOUR_CALM = 11


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("secure")
    return folder, issue(folder)


@pytest.fixture(scope="module")
def target(authority: tuple[Path, ssl.SSLContext]) -> Iterator[Target]:
    folder, context = authority
    gateway = {"auth": {"mode": "token", "token": TOKEN}, **TLS}
    with Process(folder, configuration(LIMITS, gateway=gateway)) as process:
        with Target(process, "httptools", context) as target:
            yield target
        process.end()


@pytest.fixture
def peer(target: Target, authority: tuple[Path, ssl.SSLContext]) -> Iterator[Peer]:
    context = ssl.create_default_context()
    context.load_verify_locations(authority[0] / "authority.pem")
    context.set_alpn_protocols(["h2"])
    with Peer(target.port, tls=context) as opened:
        yield opened


def client() -> h2.connection.H2Connection:
    """One that sends what it is told, however wrong."""
    config = h2.config.H2Configuration(
        validate_outbound_headers=False, normalize_outbound_headers=False
    )
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    return connection


def frame(kind: int, stream: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def heads(connection: h2.connection.H2Connection, *fields: list[tuple[str, str]]) -> bytes:
    for head in fields:
        connection.send_headers(connection.get_next_available_stream_id(), head, end_stream=False)
    return connection.data_to_send()


def no_path_of_ascii() -> bytes:
    return heads(client(), [GET[0], (":path", "/\u00e4"), *GET[2:]])


def connect_without_a_path() -> bytes:
    return heads(client(), [(":method", "CONNECT"), (":authority", "localhost")])


def data_behind_an_answer() -> bytes:
    return heads(client(), POST) + frame(DATA, 1, bytes(1000)) * 50


def priorities() -> bytes:
    one = struct.pack(">IB", 0, 1)
    return heads(client(), GET) + b"".join(frame(PRIORITY, 2 * n + 3, one) for n in range(MANY))


def resets() -> bytes:
    connection = client()
    sent = [connection.data_to_send()]
    block = connection.encoder.encode(GET)
    calm = struct.pack(">I", 8)
    for n in range(MANY):
        sent.append(frame(HEADERS, 2 * n + 1, block, END_STREAM | END_HEADERS))
        sent.append(frame(RESET, 2 * n + 1, calm))
    return b"".join(sent)


def pings() -> bytes:
    return heads(client()) + frame(PING, payload=bytes(8)) * MANY


def settings() -> bytes:
    return heads(client()) + frame(SETTINGS, payload=struct.pack(">HI", 4, 1000)) * MANY


def empty_data() -> bytes:
    return heads(client(), POST) + frame(DATA, 1) * MANY


def windows() -> bytes:
    return heads(client(), POST) + frame(WINDOW, 1, struct.pack(">I", 1)) * MANY


def a_window_too_wide() -> bytes:
    return heads(client(), POST) + frame(WINDOW, 0, struct.pack(">I", 2**31 - 1)) * 3


def continuations() -> bytes:
    return heads(client()) + frame(HEADERS, 1, b"") + frame(CONTINUATION, 1, b"\0" * 100) * MANY


def a_head_that_grows() -> bytes:
    """One large field, and thousands of references to it (an HPACK bomb)."""
    connection = client()
    sent = connection.data_to_send()
    block = connection.encoder.encode([*GET, ("x", "y" * 3000)]) + b"\xbe" * 15_000
    return sent + frame(HEADERS, 1, block, END_STREAM | END_HEADERS)


def many_streams() -> bytes:
    connection = client()
    sent = connection.data_to_send()
    block = connection.encoder.encode(POST)
    return sent + b"".join(frame(HEADERS, 2 * n + 1, block, END_HEADERS) for n in range(2000))


def frames_of_no_kind() -> bytes:
    return heads(client()) + frame(0x7F, 0, bytes(100)) * 1000


def a_frame_too_long() -> bytes:
    return heads(client(), POST) + frame(DATA, 1, bytes(100_000))


def noise() -> bytes:
    return heads(client()) + bytes(range(256)) * 200


ATTACKS = [
    no_path_of_ascii, connect_without_a_path, data_behind_an_answer, priorities, resets, pings, settings,
    empty_data, windows, a_window_too_wide, continuations, a_head_that_grows, many_streams,
    frames_of_no_kind, a_frame_too_long, noise,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_frames_that_are_hostile_harm_nobody_else(attack: Callable[[], bytes], peer: Peer) -> None:
    data = attack()
    for at in range(0, len(data), 16_384):
        if not peer.send_if_open(data[at : at + 16_384]):
            break


def test_a_client_that_only_takes_back_is_sent_away(peer: Peer) -> None:
    data = resets()
    peer.send_if_open(data[:40_000])
    said = peer.rest()
    assert frame(GOAWAY)[3:5] + bytes(4) in said
    assert said.endswith(struct.pack(">I", ENHANCE_YOUR_CALM))
