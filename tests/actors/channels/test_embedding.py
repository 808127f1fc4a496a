"""Embeddings: what each API is asked, how its answers are read, and the two forms of a vector."""

import json
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.embedding import (
    Embedded,
    Embedding,
    EmbeddingAdapter,
    as_base64,
    as_numbers,
)
from greenroom.actors.channels.http_channel import HttpChannel
from greenroom.actors.channels.ollama.embedding import OllamaEmbeddings
from greenroom.actors.channels.openai.embedding import OpenAIEmbeddings
from greenroom.actors.channels.scripted import ScriptedChannel
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.settings import ProviderSettings
from tests.actors.channels.conftest import Peer, Upstream

OPENAI = OpenAIEmbeddings(
    ProviderSettings("far", "openai-completions", base_url="https://far.example/v1")
)
OLLAMA = OllamaEmbeddings(ProviderSettings("near", "ollama", base_url="http://near.example"))
TWO = Embedding("m", ("a", "b"))

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


def asked(adapter: EmbeddingAdapter, wanted: Embedding) -> Any:
    return json.loads(adapter.request(wanted).body)


def item(index: int | None, embedding: object) -> dict[str, object]:
    told: dict[str, object] = {"object": "embedding", "embedding": embedding}
    return told if index is None else told | {"index": index}


def refused(call: Callable[[], object]) -> TurnFailed:
    with pytest.raises(TurnFailed) as caught:
        call()
    return caught.value


# What is asked


def test_openais_api_is_asked_for_what_was_wanted_and_for_base64_only_then() -> None:
    request = OPENAI.request(TWO)
    assert request.url == "https://far.example/v1/embeddings"
    assert asked(OPENAI, TWO) == {"model": "m", "input": ["a", "b"]}
    extra = {"user": b'"u"', "input_type": b'"query"', "model": b'"other"'}
    wanted = Embedding("m", ((1, 2), (3,)), packed=True, dimensions=2, extra=extra)
    assert asked(OPENAI, wanted) == {
        "model": "m",
        "input": [[1, 2], [3]],
        "encoding_format": "base64",
        "dimensions": 2,
        "user": "u",
        "input_type": "query",
    }


def test_ollamas_api_is_asked_for_what_it_knows_and_the_rest_is_named() -> None:
    extra = {
        "user": b'"u"',
        "keep_alive": b'"5m"',
        "options": b'{"num_ctx":9}',
        "truncate": b"true",
    }
    request = OLLAMA.request(Embedding("m", ("a",), packed=True, dimensions=2, extra=extra))
    assert request.url == "http://near.example/api/embed"
    assert json.loads(request.body) == {
        "model": "m",
        "input": ["a"],
        "dimensions": 2,
        "keep_alive": "5m",
        "options": {"num_ctx": 9},
        "truncate": True,
    }
    assert request.dropped == ("user",)
    assert asked(OLLAMA, TWO)["truncate"] is False


def test_ollamas_api_takes_no_tokens() -> None:
    failed = refused(lambda: OLLAMA.request(Embedding("m", ((1, 2),))))
    assert (failed.failure.kind, failed.failure.param) == (FailureKind.INVALID_REQUEST, "input")


# What is answered


def test_vectors_come_in_the_order_of_their_inputs() -> None:
    for data in (
        [item(1, [0.5]), item(0, "AAAAPw==")],
        [item(None, "AAAAPw=="), item(None, [0.5])],
    ):
        body = json.dumps({"data": data, "usage": {"prompt_tokens": 7, "total_tokens": 7}})
        assert OPENAI.read(body.encode(), TWO) == Embedded((b'"AAAAPw=="', b"[0.5]"), 7)


def test_numbers_stay_as_their_upstream_wrote_them() -> None:
    body = b'{"data": [{"index": 0, "embedding": [0.10000000000000000001 ,-1E2]}]}'
    (vector,) = OPENAI.read(body, Embedding("m", ("a",))).vectors
    assert vector == b"[0.10000000000000000001 ,-1E2]"


def test_ollamas_vectors_are_in_order_and_its_count_may_be_missing() -> None:
    assert OLLAMA.read(b'{"embeddings": [[1], [2]]}', TWO) == Embedded((b"[1]", b"[2]"), 0)
    body = b'{"embeddings": [[1], [2]], "prompt_eval_count": 3}'
    assert OLLAMA.read(body, TWO).tokens == 3


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"\xff", b'{"data": 4}', b"[" * 100_000,
        json.dumps({"data": [item(0, [1])]}).encode(),
        json.dumps({"data": [item(0, [1]), item(0, [1])]}).encode(),
        json.dumps({"data": [item(0, [1]), item(2, [1])]}).encode(),
        json.dumps({"data": [item(0, None), item(1, [1])]}).encode(),
        json.dumps({"data": [item(0, [1]), item(1, 4)]}).encode(),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_the_upstreams_failure(body: bytes) -> None:
    assert refused(lambda: OPENAI.read(body, TWO)).failure.kind is FailureKind.UPSTREAM_ERROR


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"embeddings": [[1]]}', b'{"embeddings": [[1], "AA=="]}', b"\xff"]
)
def test_so_is_one_of_ollama(body: bytes) -> None:
    assert refused(lambda: OLLAMA.read(body, TWO)).failure.kind is FailureKind.UPSTREAM_ERROR


def test_an_error_that_was_sent_as_an_answer_is_read_as_one() -> None:
    body = b'{"error": {"message": "no such model", "code": "model_not_found"}}'
    failed = refused(lambda: OPENAI.read(body, TWO)).failure
    assert (failed.kind, failed.message) == (FailureKind.NOT_FOUND, "no such model")


# The two forms


@given(st.lists(floats, max_size=20))
def test_each_form_of_a_vector_is_made_of_the_other(vector: list[float]) -> None:
    packed = as_base64(json.dumps(vector).encode())
    assert struct.unpack(f"<{len(vector)}f", b64decode(packed)) == tuple(vector)
    assert json.loads(as_numbers(packed)) == vector
    assert as_base64(packed) == packed
    assert as_numbers(b"[1 ,2]") == b"[1 ,2]"


@pytest.mark.parametrize("vector", [b'["a"]', b"[1", b"[[1]]", b"[1e999]"])
def test_numbers_that_are_none_are_no_vector(vector: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        as_base64(vector)


@pytest.mark.parametrize("vector", [b'"', b'"%%"', b'"AAA="', b'"' + b64encode(b"abc") + b'"'])
def test_base64_that_is_none_is_no_vector(vector: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        as_numbers(vector)


# Channels


async def test_a_channel_asks_over_http(
    connect: Callable[..., HttpChannel], upstream: Upstream
) -> None:
    body = json.dumps({"data": [item(0, [1.0]), item(1, [2.0])], "usage": {"prompt_tokens": 2}})

    async def script(peer: Peer) -> None:
        limits = "x-ratelimit-remaining-requests: 4"
        await peer.answer(200, body.encode(), "content-type: application/json", limits)

    upstream.script = script
    embedded = await connect().embed(TWO)
    assert (embedded.vectors, embedded.tokens) == ((b"[1.0]", b"[2.0]"), 2)
    assert embedded.notes.limits == {"remaining-requests": "4"}
    (request,) = upstream.requests
    assert request.target == "/v1/embeddings"
    assert request.headers["authorization"] == "Bearer sk-secret"


async def test_a_channels_failures_are_those_of_its_upstream(
    connect: Callable[..., HttpChannel], upstream: Upstream
) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(429, b'{"error": {"message": "Slow down."}}', "retry-after: 3")

    upstream.script = script
    with pytest.raises(TurnFailed) as caught:
        await connect().embed(TWO)
    failure = caught.value.failure
    assert (failure.kind, failure.retry_after) == (FailureKind.UPSTREAM_RATE_LIMITED, 3.0)


async def test_an_api_without_embeddings_refuses_the_model(
    connect: Callable[..., HttpChannel], upstream: Upstream
) -> None:
    with pytest.raises(TurnFailed) as caught:
        await connect(api="anthropic-messages").embed(TWO)
    assert (caught.value.failure.param, upstream.requests) == ("model", [])


async def test_a_scripts_vectors_are_the_same_for_the_same_text_and_of_length_1() -> None:
    channel = ScriptedChannel()
    first = await channel.embed(Embedding("m", ("a", "b c", "a"), dimensions=3))
    vectors = [json.loads(vector) for vector in first.vectors]
    assert vectors[0] == vectors[2] != vectors[1]
    assert all(sum(x * x for x in vector) == pytest.approx(1.0) for vector in vectors)
    assert (len(vectors[0]), first.tokens) == (3, 4)


async def test_a_script_gives_no_more_numbers_than_it_can_make_at_once() -> None:
    channel = ScriptedChannel()
    with pytest.raises(TurnFailed) as caught:
        await channel.embed(Embedding("m", ("a",), dimensions=2**31))
    assert (caught.value.failure.kind, caught.value.failure.param) == (
        FailureKind.INVALID_REQUEST,
        "dimensions",
    )
    assert "at most 65536" in str(caught.value)
    most = await channel.embed(Embedding("m", ("a", "b"), dimensions=2**15))
    assert [len(json.loads(vector)) for vector in most.vectors] == [2**15] * 2
