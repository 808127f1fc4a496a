"""Rules of a request's body: bounded in size and time; garbage in it is the client's fault."""

import copy
import json
from functools import partial
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import PlayedChannel
from tests.http.conftest import GATEWAY, Answer, Site, chat

LIMITS = msgspec.structs.replace(GATEWAY.limits, max_body_bytes=1024)
SMALL = msgspec.structs.replace(GATEWAY, limits=LIMITS)


def refused_as_too_large(answer: Answer) -> None:
    error = answer.error()
    assert (answer.status, error["type"]) == (413, "invalid_request_error")
    assert (error["message"] or "").startswith("Payload too large")
    assert answer.headers["connection"] == "close"


async def test_a_body_that_is_declared_too_large_is_refused_before_it_is_read() -> None:
    async with Site(gateway=SMALL) as site:
        call = site.call(pieces=[1000.0], headers={"content-length": "1025"})
        with trio.fail_after(1):
            await call.run()
        refused_as_too_large(await call.answer())


async def test_a_body_that_turns_out_too_large_is_refused_where_it_does() -> None:
    async with Site(gateway=SMALL) as site:
        call = site.call(pieces=[b" " * 600, b" " * 600, 1000.0, b"{}"])
        with trio.fail_after(1):
            await call.run()
        refused_as_too_large(await call.answer())


async def test_a_number_that_no_computer_reads_is_too_large() -> None:
    async with Site() as site:
        refused_as_too_large(await site.post(b"{}", headers={"content-length": "9" * 5000}))


@pytest.mark.parametrize("declared", ["12", "-5", "abc", "", "9" * 40 + "x", "²", "0" * 5000])
async def test_what_a_body_declares_of_itself_is_not_trusted(declared: str) -> None:
    async with Site(gateway=SMALL) as site:
        answer = await site.post(b" " * 1025, headers={"content-length": declared})
    refused_as_too_large(answer)


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    body = json.dumps(chat()).encode()
    async with Site(gateway=SMALL) as site:
        assert (await site.post(body.ljust(1024))).status == 200
        refused_as_too_large(await site.post(body.ljust(1025)))


async def test_a_body_may_come_in_any_pieces(autojump_clock: trio.testing.MockClock) -> None:
    body = json.dumps(chat("[say Yes]")).encode()
    async with Site() as site:
        pieces = [piece for n in range(len(body)) for piece in (body[n : n + 1], 0.1)]
        answer = await site.post(pieces=[b"", *pieces, b""])
    assert answer.status == 200


@pytest.mark.parametrize("pieces", [[1000.0], [b"{", 1000.0], [b"{", *[10.0, b" "] * 5]])
async def test_a_body_that_takes_longer_than_thirty_seconds_is_a_408(
    pieces: list[bytes | float], autojump_clock: trio.testing.MockClock
) -> None:
    async with Site() as site:
        answer = await site.post(pieces=pieces)
        assert trio.current_time() == 30
    assert (answer.status, answer.error()["type"]) == (408, "invalid_request_error")
    assert answer.error()["message"] == "Request body timeout"
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("type_", ["multipart/form-data; boundary=x", "Multipart/Mixed"])
async def test_a_form_is_not_taken_for_json(type_: str) -> None:
    async with Site() as site:
        answer = await site.post(chat(), headers={"content-type": type_})
    assert (answer.status, answer.error()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "type_",
    ["application/x-www-form-urlencoded", "text/plain", "", "application/json; charset=utf-8"],
)
async def test_a_body_of_any_other_type_is_read_as_json(type_: str) -> None:
    async with Site() as site:
        assert (await site.post(chat(), headers={"content-type": type_})).status == 200


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html", ""])
async def test_what_the_client_accepts_decides_nothing(accept: str) -> None:
    async with Site() as site:
        answer = await site.post(chat(stream=True), headers={"accept": accept})
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("body", [b"", b"nonsense", b"{}", b"\xff", b"[" * 1000])
async def test_a_wrong_secret_wins_over_a_bad_body(body: bytes) -> None:
    async with Site() as site:
        headers = {"content-type": "multipart/form-data", "content-length": str(10**12)}
        answer = await site.post(body, token="wrong", headers=headers)
    assert (answer.status, answer.error()["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_without_the_secret_no_body_is_waited_for() -> None:
    async with Site() as site:
        call = site.call(pieces=[1000.0], token=None)
        with trio.fail_after(1):
            await call.run()
        assert (await call.answer()).status == 401


@pytest.mark.parametrize(
    "body", [b"[" * 2**20, b'{"a":' * 2**18, b'["\\n",' * 2**17, b"\x00" * 2**20]
)
async def test_a_mebibyte_of_nonsense_is_a_client_error(body: bytes) -> None:
    async with Site() as site:
        answer = await site.post(body)
    assert answer.status == 400
    assert answer.error()["type"] == "invalid_request_error"


# Garbage of every kind

VALID: dict[str, Any] = {
    "model": "openclaw",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Be."}]},
        {"role": "user", "content": "Hi", "name": "ann"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "x"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            ],
        },
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 1,
    "max_tokens": 5,
    "stop": ["x"],
    "n": 1,
    "seed": 1,
    "user": "ann",
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": True,
    "metadata": {"a": "b"},
}


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a JSON value."""
    found = [path]
    if isinstance(value, dict):
        for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType]
            found += places(inner, (*path, str(key)))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        for index, inner in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            found += places(inner, (*path, index))  # pyright: ignore[reportUnknownArgumentType]
    return found


PLACES = [path for path in places(VALID) if path]
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1e308, 2**63, 2**200, "", "x", "\x00", "😀", "a" * 5000, [], {}, [[]], [None],
     {"": None}, {"type": "text"}, {"type": "function"}, "openclaw:", "agent:x:y", "data:image/"]
)  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A valid request in which up to three values are others or gone, and bytes may be cut or flipped."""
    request = copy.deepcopy(VALID)
    for _ in range(draw(st.integers(0, 3))):
        *way, last = draw(st.sampled_from(PLACES))
        inner: Any = request
        try:
            for step in way:
                inner = inner[step]
            if draw(st.booleans()):
                inner[last] = draw(ODD)
            else:
                del inner[last]
        except (KeyError, IndexError, TypeError):
            continue  # a mutation before this one took the place away
    body = bytearray(json.dumps(request, ensure_ascii=draw(st.booleans())).encode())
    match draw(st.sampled_from(["whole", "whole", "cut", "flipped", "inserted"])):
        case "cut":
            del body[draw(st.integers(0, len(body))) :]
        case "flipped":
            body[draw(st.integers(0, len(body) - 1))] ^= draw(st.integers(1, 255))
        case "inserted":
            body[draw(st.integers(0, len(body))) :] = draw(st.binary(max_size=9))
        case _:
            pass
    return bytes(body)


async def answered_without_a_crash(body: bytes) -> None:
    async with Site(PlayedChannel()) as site:
        answer = await site.post(body)
        if answer.status == 200:
            if "json" in answer.headers["content-type"]:
                assert answer.json()["object"] == "chat.completion"
            else:
                answer.chunks()
        else:
            assert 400 <= answer.status < 500
            assert answer.error()["type"] == "invalid_request_error"
        assert "Traceback" not in site.lines.text
        assert not [line for line in site.lines.all() if line["level"] in ("error", "critical")]


def run(body: bytes) -> None:
    trio.run(
        partial(answered_without_a_crash, body),
        clock=trio.testing.MockClock(autojump_threshold=0),
    )


@given(st.binary(max_size=200))
def test_random_bytes_are_a_client_error(body: bytes) -> None:
    run(body)


@given(mutations())
def test_a_request_that_is_almost_right_is_answered_or_refused_and_never_a_crash(
    body: bytes,
) -> None:
    run(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_any_json_in_the_place_of_messages_is_a_client_error(value: object) -> None:
    run(json.dumps({"model": "openclaw", "messages": value}).encode())
