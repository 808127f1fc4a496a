"""An answer that breaks off, or is none, is a failure and never looks whole."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import TextDelta
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from tests.actors.channels.anthropic.conftest import (
    DONE,
    decode,
    decode_pieces,
    decoder_of,
    event,
    said,
    start,
    stop,
    used,
)
from tests.actors.channels.conftest import Json

ERROR = {"type": "overloaded_error", "message": "Overloaded"}
ERRORS: dict[str, bytes] = {
    "as the API sends it": event("error", error=ERROR, request_id="req_1"),
    "without its name": event("error", error=ERROR).partition(b"\n")[2],
    "without its type": b"event: error\ndata: " + msgspec.json.encode({"error": ERROR}) + b"\n\n",
    "by its key alone": b"data: " + msgspec.json.encode({"error": ERROR}) + b"\n\n",
    "flat": b"event: error\ndata: " + msgspec.json.encode(ERROR) + b"\n\n",
    "without a blank line": event("error", error=ERROR).removesuffix(b"\n\n"),
}


@pytest.mark.parametrize("form", ERRORS)
def test_an_error_in_the_stream_comes_after_what_was_said(form: str) -> None:
    stream = start() + said(0, "Hel") + ERRORS[form]
    if not form.startswith("without a blank"):
        stream += said(1, "lo") + stop()
    deltas, failure = decode(stream)
    assert deltas == [TextDelta("Hel")]
    assert failure == Failure(FailureKind.UPSTREAM_OVERLOADED, "Overloaded")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("api_error", FailureKind.UPSTREAM_ERROR),
        ("rate_limit_error", FailureKind.UPSTREAM_RATE_LIMITED),
        ("timeout_error", FailureKind.UPSTREAM_TIMEOUT),
        ("invalid_request_error", FailureKind.UPSTREAM_REJECTED),
        ("authentication_error", FailureKind.UPSTREAM_AUTHENTICATION),
        ("billing_error", FailureKind.UPSTREAM_QUOTA),
    ],
)
def test_the_kind_of_an_error_in_the_stream_is_kept(error: str, kind: FailureKind) -> None:
    _, failure = decode(start() + event("error", error={"type": error, "message": "No."}))
    assert failure is not None
    assert failure.kind == kind


@pytest.mark.parametrize("body", [{"type": "error", "error": ERROR}, {"error": ERROR}])
def test_an_error_object_with_status_200(body: Json) -> None:
    failure = Failure(FailureKind.UPSTREAM_OVERLOADED, "Overloaded")
    assert decode(msgspec.json.encode(body)) == ([], failure)


def delta(index: object, **fields: object) -> bytes:
    return event("content_block_delta", index=index, delta=fields)


ARGUMENTS = "sent the arguments of no tool call"
BROKEN: dict[str, tuple[bytes, str]] = {
    "no json": (b"data: {this is not json\n\n", "sent what is not its protocol"),
    "no object": (b"data: 5\n\n", "sent what is not its protocol"),
    "wrong types": (event("content_block_delta", delta="x"), "sent what is not its protocol"),
    "no utf-8": (b'data: {"type": "\xff"}\n\n', "sent what is not its protocol"),
    "nested too deep": (b"data: " + b'{"a":' * 100_000 + b"\n\n", "sent what is not its protocol"),
    "the end": (b"", "ended its answer in the middle"),
    "an end without a reason": (DONE, "ended its answer in the middle"),
    "a reason that is none": (
        event("message_delta", delta={"stop_reason": None}, usage={}),
        "ended its answer in the middle",
    ),
    "half an event": (
        b'event: message_delta\ndata: {"type": "message_delta", "del',
        "ended its answer in the middle",
    ),
    "a nameless call": (used(1, "a", ""), "sent a tool call without a name"),
    "arguments without a call": (
        delta(0, type="input_json_delta", partial_json="{}"),
        ARGUMENTS,
    ),
    "a line without an end": (
        b"data: " + b"x" * (9 << 20),
        "sent a line of more than 8388608 bytes",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_answer_that_breaks_off_never_looks_whole(case: str) -> None:
    rest, complaint = BROKEN[case]
    decoder = decoder_of()
    deltas = [*decoder.feed(start() + said(0, "Hel")), *decoder.feed(rest)]
    with pytest.raises(TurnFailed) as failed:
        decoder.end()
    assert deltas == [TextDelta("Hel")]
    assert failed.value.failure == Failure(
        FailureKind.UPSTREAM_ERROR, f"The provider 'local' {complaint}."
    )
    if len(rest) < 4096:
        assert decode(start() + said(0, "Hel") + rest)[1] == failed.value.failure


def test_arguments_of_two_calls_do_not_mix() -> None:
    late = delta(0, type="input_json_delta", partial_json='{"a"')
    stream = start() + used(0, "a", "f", "{}") + used(1, "b", "g").rpartition(b"event: ")[0] + late
    _, failure = decode(stream)
    assert failure is not None
    assert failure.message == f"The provider 'local' {ARGUMENTS}."


@pytest.mark.parametrize(
    "body",
    [b"", b"\n\n", b": comment\n\n", DONE, b"upstream connect error", b"{}", b"data: [DONE]\n\n"],
)
def test_an_answer_with_nothing_in_it_is_an_error(body: bytes) -> None:
    assert decode(body) == (
        [],
        Failure(FailureKind.UPSTREAM_ERROR, "The provider 'local' sent an empty answer."),
    )


def test_a_page_is_an_error_at_once() -> None:
    decoder = decoder_of()
    decoder.feed(b"\r\n<")
    assert decoder.done
    with pytest.raises(TurnFailed, match="a page that is not its API's"):
        decoder.end()


@pytest.mark.parametrize(
    ("content", "kind"),
    [({"type": "thinking"}, "thinking"), ({"type": "tool_use", "name": "sh"}, "custom")],
)
def test_what_has_to_be_kept_is_bounded(content: Json, kind: str) -> None:
    piece = "x" * (1 << 20)
    grows: Json = {"type": "thinking_delta", "thinking": piece}
    if kind == "custom":
        grows = {"type": "input_json_delta", "partial_json": piece}
    pieces = [event("content_block_delta", index=0, delta=grows)] * 9
    head = start() + event("content_block_start", index=0, content_block=content)
    _, failure = decode_pieces(head, *pieces, custom=("sh",))
    assert failure is not None
    assert failure.message == (
        "The provider 'local' sent more than 8388608 characters of thinking and tool calls."
    )


def test_blocks_without_number_are_bounded() -> None:
    many = event("content_block_start", content_block={"type": "text"}) * 1000
    decoder = decoder_of()
    decoder.feed(start())
    for _ in range(200):
        decoder.feed(many)
    assert decoder.done


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.binary().map(lambda body: b"data: " + body + b"\n\n")
)
def test_rubbish_is_a_failure_and_never_a_crash(body: bytes) -> None:
    deltas, failure = decode(body)
    assert (deltas, failure is None) == ([], False)
