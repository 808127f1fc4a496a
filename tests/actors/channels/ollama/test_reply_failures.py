"""An answer of Ollama's that breaks off, or is none, is a failure and never looks whole."""

import pytest

from greenroom.actors.channels.channel import TextDelta, ToolCallArguments, ToolCallStart
from greenroom.actors.channels.ollama.reply import OllamaDecoder
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from tests.actors.channels.ollama.conftest import call, decode, last, line, ndjson

HEL = ndjson(line("Hel"))


def broken(complaint: str) -> Failure:
    return Failure(FailureKind.UPSTREAM_ERROR, f"The provider 'local' {complaint}.")


def test_an_error_in_the_stream_comes_after_what_was_said() -> None:
    what = "an error was encountered while running the model"
    body = HEL + ndjson({"error": what}, line("lo"), last())
    assert decode(body) == ([TextDelta("Hel")], Failure(FailureKind.UPSTREAM_ERROR, what))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error": "busy", "status": 503}, FailureKind.UPSTREAM_OVERLOADED),
        ({"error": "slow down", "status": 429}, FailureKind.UPSTREAM_RATE_LIMITED),
        ({"error": {"message": "no"}}, FailureKind.UPSTREAM_ERROR),
        ({"error": "no"} | last(), FailureKind.UPSTREAM_ERROR),
        ({"error": 5}, FailureKind.UPSTREAM_ERROR),
    ],
)
def test_the_kind_of_an_error_in_the_stream_is_kept(error: object, kind: FailureKind) -> None:
    _, failure = decode(ndjson(error))
    assert failure is not None
    assert failure.kind == kind


@pytest.mark.parametrize(
    "message",
    [
        "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it",
        "the input length exceeds the context length",
        "the prompt is longer than the context length currently available to the model",
    ],
)
def test_a_prompt_that_is_too_long_is_told_as_such(message: str) -> None:
    _, failure = decode(ndjson({"error": message, "status": 400}))
    assert failure is not None
    assert failure.code == "context_length_exceeded"


def test_an_error_without_a_line_end_is_an_error() -> None:
    _, failure = decode(HEL + ndjson({"error": "no"}).strip())
    assert failure == Failure(FailureKind.UPSTREAM_ERROR, "no")


PROTOCOL = "sent what is not its protocol"
MIDDLE = "ended its answer in the middle"
BROKEN: dict[str, tuple[bytes, str]] = {
    "no json": (b"{not json\n", PROTOCOL),
    "no object": (b"5\n", PROTOCOL),
    "a list": (b"[]\n", PROTOCOL),
    "an event": (b'data: {"done":true}\n', PROTOCOL),
    "wrong types": (ndjson({"message": {"content": ["x"]}}), PROTOCOL),
    "no utf-8": (b'{"message":{"content":"\xff"}}\n', PROTOCOL),
    "no utf-8 in arguments": (
        b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"a":"\xff"}}}]}}\n',
        PROTOCOL,
    ),
    "nested too deep": (b'{"a":' * 100_000 + b"\n", PROTOCOL),
    "the end": (b"", MIDDLE),
    "half a line": (ndjson(last())[:-9], MIDDLE),
    "done, but not true": (ndjson(line() | {"done": "true"}), MIDDLE),
    "a nameless call": (ndjson(line(tool_calls=[call("", {})])), "sent a tool call without a name"),
    "a call of nothing": (
        ndjson(line(tool_calls=[{"id": "a"}])),
        "sent a tool call without a name",
    ),
    "a nameless call, without a line end": (
        ndjson(line(tool_calls=[call(None, {})])).strip(),
        "sent a tool call without a name",
    ),
    "a line without an end": (b"x" * (9 << 20), "sent a line of more than 8388608 bytes"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_answer_that_breaks_off_never_looks_whole(case: str) -> None:
    rest, complaint = BROKEN[case]
    said = b"" if case == "a line without an end" else HEL
    assert decode(said + rest) == ([TextDelta("Hel")] if said else [], broken(complaint))


@pytest.mark.parametrize("body", [b"", b"\n\n", b" \r\n", b"404 page not found", b"{}", b"{}\n"])
def test_an_answer_with_nothing_in_it_is_an_error(body: bytes) -> None:
    assert decode(body) == ([], broken("sent an empty answer"))


def test_a_page_is_an_error_at_once() -> None:
    decoder = OllamaDecoder(UpstreamErrors("local"))
    decoder.feed(b"\r\n<")
    assert decoder.done
    with pytest.raises(TurnFailed, match="a page that is not its API's"):
        decoder.end()


def test_the_number_of_calls_is_bounded() -> None:
    calls = [call("f", {}) for _ in range(1025)]
    deltas, failure = decode(ndjson(line(tool_calls=calls), last()))
    assert failure == broken("sent more than 1024 tool calls")
    assert len(deltas) == 2 * 1024


def test_calls_before_a_failure_are_given_first() -> None:
    deltas, failure = decode(ndjson(line(tool_calls=[call("f", {})]), {"error": "no"}))
    assert deltas == [ToolCallStart(0, "new-0", "f"), ToolCallArguments(0, "{}")]
    assert failure is not None


def test_thinking_past_the_bound_is_shown_and_not_kept() -> None:
    piece = "x" * (1 << 20)
    decoder = OllamaDecoder(UpstreamErrors("local"))
    for _ in range(9):
        assert decoder.feed(ndjson(line(thinking=piece)))
    decoder.feed(ndjson(line(tool_calls=[call("f", {})]), last()))
    assert len(decoder.end()) == 2
