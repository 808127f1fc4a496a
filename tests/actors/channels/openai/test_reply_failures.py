"""An answer that breaks off, or is none, is a failure and never looks whole."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import TextDelta
from greenroom.actors.channels.openai.reply import OpenAIDecoder
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from tests.actors.channels.conftest import DONE, chunk, decode, said, sse

END = chunk({}, "stop")

ERROR = {"message": "Too much.", "type": "server_error", "param": None, "code": "server_error"}
ERRORS: dict[str, bytes] = {
    "an error object": sse({"error": ERROR}),
    "with choices beside it": sse(chunk() | {"error": ERROR}),
    "in a list": sse([{"error": ERROR}]),
    "as a text": sse({"error": "Too much."}),
    "flat, as an error event": b"event: error\n" + sse(ERROR),
    "in an envelope, as an error event": b"event: error\n" + sse({"error": ERROR}),
    "a text, as an error event": b"event: error\ndata: Too much.\n\n",
    "flat, by its object": sse(ERROR | {"object": "error"}),
    "flat": sse({"message": "Too much.", "code": "x"}),
    "a detail": sse({"detail": "Too much."}),
}


@pytest.mark.parametrize("form", ERRORS)
def test_an_error_in_the_stream_comes_after_what_was_said(form: str) -> None:
    deltas, failure = decode(sse(*said("Hel"), done=b"") + ERRORS[form] + sse(*said("lo"), END))
    assert deltas == [TextDelta("Hel")]
    assert failure is not None
    assert failure.kind == FailureKind.UPSTREAM_ERROR
    assert failure.message == "Too much."


@pytest.mark.parametrize("body", [{"error": ERROR}, [{"error": ERROR}], {"error": "Too much."}])
def test_an_error_object_with_status_200(body: object) -> None:
    deltas, failure = decode(msgspec.json.encode(body))
    assert deltas == []
    assert failure is not None
    assert failure.message == "Too much."


def test_the_kind_of_an_error_in_the_stream_is_kept() -> None:
    _, failure = decode(sse({"error": {"message": "Slow down.", "code": 429}}))
    assert failure is not None
    assert failure.kind == FailureKind.UPSTREAM_RATE_LIMITED


BROKEN: dict[str, tuple[bytes, str]] = {
    "no json": (b"data: {this is not json\n\n", "sent what is not its protocol"),
    "no object": (b"data: 5\n\n", "sent what is not its protocol"),
    "wrong types": (sse({"choices": "x"}), "sent what is not its protocol"),
    "no utf-8": (
        b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n',
        "sent what is not its protocol",
    ),
    "nested too deep": (b"data: " + b'{"a":' * 100_000 + b"\n\n", "sent what is not its protocol"),
    "the end": (b"", "ended its answer in the middle"),
    "done without a reason": (DONE, "ended its answer in the middle"),
    "half a chunk": (
        b'data: {"choices":[{"delta":{"content":"lo',
        "ended its answer in the middle",
    ),
    "an error as finish reason": (sse(chunk({}, "error")), "gave up its answer in the middle"),
    "a nameless call": (
        sse(chunk({"tool_calls": [{"index": 0, "id": "a"}]}), END),
        "sent a tool call without a name",
    ),
    "a line without an end": (
        b"data: " + b"x" * (9 << 20),
        "sent a line of more than 8388608 bytes",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_answer_that_breaks_off_never_looks_whole(case: str) -> None:
    rest, complaint = BROKEN[case]
    deltas, failure = decode(
        sse(*said("Hel"), done=b"") + rest if case != "a line without an end" else rest
    )
    assert deltas == ([] if case == "a line without an end" else [TextDelta("Hel")])
    assert failure == Failure(FailureKind.UPSTREAM_ERROR, f"The provider 'local' {complaint}.")


@pytest.mark.parametrize(
    "body", [b"", b"\n\n", b": comment\n\n", DONE, b"upstream connect error", b"{}"]
)
def test_an_answer_with_nothing_in_it_is_an_error(body: bytes) -> None:
    assert decode(body) == (
        [],
        Failure(FailureKind.UPSTREAM_ERROR, "The provider 'local' sent an empty answer."),
    )


def test_a_page_is_an_error_at_once() -> None:
    decoder = OpenAIDecoder(UpstreamErrors("local"))
    decoder.feed(b"\r\n<")
    assert decoder.done
    with pytest.raises(TurnFailed, match="a page that is not its API's"):
        decoder.end()


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.binary().map(lambda body: b"data: " + body + b"\n\n")
)
def test_rubbish_is_a_failure_and_never_a_crash(body: bytes) -> None:
    deltas, failure = decode(body)
    assert (deltas, failure is None) == ([], False)
