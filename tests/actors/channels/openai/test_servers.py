"""What particular servers send is read for what they mean by it: answers, ends and errors."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import Finish, FinishReason, TextDelta
from greenroom.actors.failure import FailureKind
from tests.actors.channels.conftest import (
    DONE,
    Json,
    chunk,
    decode,
    decode_pieces,
    in_order,
    said,
    sse,
)
from tests.actors.channels.fuzz import mutations, pieces
from tests.actors.channels.openai.transcripts import TRANSCRIPTS


@pytest.mark.parametrize("server", TRANSCRIPTS)
def test_an_answer_is_read_for_what_it_is(server: str) -> None:
    body, deltas = TRANSCRIPTS[server]
    assert decode(body) == (deltas, None)


@given(st.sampled_from([*TRANSCRIPTS]).flatmap(lambda s: mutations(TRANSCRIPTS[s].body)), st.data())
def test_an_answer_with_faults_is_whole_or_a_failure(body: bytes, data: st.DataObject) -> None:
    deltas, failure = whole = decode_pieces(body)
    assert failure is not None or in_order(deltas)
    assert decode_pieces(*pieces(body, data)) == whole


@given(st.binary() | st.text().map(str.encode), st.sampled_from([b"", b"data: ", b"{", b"[{"]))
def test_any_bytes_are_a_failure_and_never_a_crash(body: bytes, before: bytes) -> None:
    assert decode_pieces(before + body)[1] is not None


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "content_filter: PROHIBITED_CONTENT"])
def test_geminis_filters_are_filters(reason: str) -> None:
    body = sse(*said("Hi"), chunk({}, reason))
    assert decode(body)[0] == [TextDelta("Hi"), Finish(FinishReason.CONTENT_FILTER)]


@pytest.mark.parametrize(
    "reason",
    ["function_call_filter: MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL", "error"],
)
def test_an_answer_that_its_server_gave_up_is_a_failure(reason: str) -> None:
    _, failure = decode(sse(chunk({"role": "assistant"}), chunk({}, reason)))
    assert failure is not None
    assert failure.message == "The provider 'local' gave up its answer in the middle."


TOO_LONG = "request (4390 tokens) exceeds the available context size (4096 tokens)"

ERRORS: dict[str, tuple[bytes, FailureKind, str]] = {
    "gemini, a list": (
        sse([{"error": {"code": 503, "message": "Busy.", "status": "UNAVAILABLE"}}], done=b""),
        FailureKind.UPSTREAM_OVERLOADED,
        "Busy.",
    ),
    "groq, a text": (
        sse(chunk() | {"x_groq": {"id": "r", "error": "over_capacity"}}),
        FailureKind.UPSTREAM_ERROR,
        "over_capacity",
    ),
    "groq, an envelope": (
        sse(chunk() | {"x_groq": {"id": "r", "error": {"message": "Busy."}}}),
        FailureKind.UPSTREAM_ERROR,
        "Busy.",
    ),
    "groq, an envelope in an envelope": (
        b"event: error\n" + sse({"error": {"error": {"message": "Busy.", "code": 429}}}),
        FailureKind.UPSTREAM_RATE_LIMITED,
        "Busy.",
    ),
    "groq, what was not told": (
        sse(chunk() | {"x_groq": {"error": [1]}}),
        FailureKind.UPSTREAM_ERROR,
        "The provider 'local' reported an error without a message.",
    ),
    "openrouter": (
        sse(
            chunk({"content": ""}, "error", error={"code": 502, "message": "Gone."}, provider="X"),
        ),
        FailureKind.UPSTREAM_ERROR,
        "Gone.",
    ),
    "llama.cpp until 2025": (
        b'error: {"code":400,"message":"%b"}\n\n' % TOO_LONG.encode() + DONE,
        FailureKind.UPSTREAM_REJECTED,
        TOO_LONG,
    ),
    "llama.cpp": (
        sse({"error": {"code": 400, "message": TOO_LONG, "type": "exceed_context_size_error"}}),
        FailureKind.UPSTREAM_REJECTED,
        TOO_LONG,
    ),
    "vllm of old": (
        sse({"object": "error", "message": "Bad.", "type": "BadRequestError", "code": 400}),
        FailureKind.UPSTREAM_REJECTED,
        "Bad.",
    ),
    "lm studio": (
        b"event: error\n" + sse({"error": {"message": "Crashed."}}),
        FailureKind.UPSTREAM_ERROR,
        "Crashed.",
    ),
}


@pytest.mark.parametrize("server", ERRORS)
def test_an_error_in_the_stream_is_read_for_what_it_is(server: str) -> None:
    body, kind, message = ERRORS[server]
    deltas, failure = decode(sse(*said("Hi"), done=b"") + body)
    assert deltas == [TextDelta("Hi")]
    assert failure is not None
    assert (failure.kind, failure.message) == (kind, message)


@pytest.mark.parametrize(
    ("details", "written"),
    [
        ({"cache_write_tokens": 3}, 3),
        ({"cache_creation_tokens": 3}, 3),
        ({"cache_write_tokens": 2, "cache_creation_tokens": 3}, 2),
        ({"cache_write_tokens": "x"}, 0),
        ({}, 0),
    ],
)
def test_tokens_written_to_a_cache_are_counted(details: Json, written: int) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": details}
    body = msgspec.json.encode(
        {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": usage}
    )
    last = decode(body)[0][-1]
    assert getattr(last, "cache_write", None) == written
