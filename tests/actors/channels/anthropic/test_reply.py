"""An answer's events become the deltas that `Channel` promises."""

import msgspec
import pytest

from greenroom.actors.channels.channel import (
    Delta,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Stamp,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import Keepsake
from tests.actors.channels.anthropic.conftest import (
    COUNTS,
    DONE,
    PING,
    block,
    decode,
    decoder_of,
    event,
    said,
    start,
    stop,
    thought,
    used,
)
from tests.actors.channels.conftest import Json

STOP = Finish(FinishReason.STOP)
CALLED = Finish(FinishReason.TOOL_CALLS)
COUNTED = Usage(prompt=327, completion=5, cached=300, cache_write=20)
HELLO: list[Delta] = [TextDelta("Hel"), TextDelta("lo"), STOP, COUNTED]

HELLOS: dict[str, bytes] = {
    "as the API sends it": start() + PING + said(0, "Hel", "lo") + PING + stop(),
    "crlf": (start() + said(0, "Hel", "lo") + stop()).replace(b"\n", b"\r\n"),
    "no space": (start() + said(0, "Hel", "lo") + stop()).replace(b": {", b":{"),
    "no names": (start() + said(0, "Hel", "lo") + stop()).replace(b"event: ", b": "),
    "no types": b"".join(
        line if line.startswith(b"event") else line.replace(b'"type":"content_block_delta",', b"")
        for line in (start() + said(0, "Hel", "lo") + stop()).splitlines(keepends=True)
    ),
    "a byte order mark": b"\xef\xbb\xbf" + start() + said(0, "Hel", "lo") + stop(),
    "comments": b": hi\n\n" + start() + b": hi\n\n" + said(0, "Hel", "lo") + stop(),
    "its text in the start of a block": start()
    + block(0, {"type": "text", "text": "Hel"}, {"type": "text_delta", "text": "lo"})
    + stop(),
    "in two blocks": start() + said(0, "Hel") + said(1, "lo") + stop(),
    "without the starts of blocks": start()
    + b"".join(
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
        for text in ("Hel", "lo")
    )
    + stop(),
    "without the ends of blocks": (start() + said(0, "Hel") + said(1, "lo") + stop()).replace(
        b"content_block_stop", b"content_block_stay"
    ),
    "empty deltas": start() + said(0, "", "Hel", "", "lo") + stop(),
    "citations": start()
    + block(
        0,
        {"type": "text", "text": "", "citations": []},
        {"type": "text_delta", "text": "Hel"},
        {"type": "citations_delta", "citation": {"type": "page_location"}},
        {"type": "text_delta", "text": "lo"},
    )
    + stop(),
    "unknown events": start() + event("fallback", model="x") + said(0, "Hel", "lo") + stop(),
    "unknown deltas": start()
    + block(
        0,
        {"type": "text", "text": ""},
        {"type": "text_delta", "text": "Hel"},
        {"type": "later_delta", "text": "!"},
        {"type": "text_delta", "text": "lo"},
    )
    + stop(),
    "unknown blocks": start()
    + said(0, "Hel")
    + block(
        1,
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"q": 1}'},
        {"type": "text_delta", "text": "!"},
    )
    + block(2, {"type": "web_search_tool_result", "tool_use_id": "s", "content": []})
    + said(3, "lo")
    + stop(),
    "odd fields": start().replace(b'"model":"m"', b'"model":NaN')
    + said(0, "Hel", "lo").replace(b'"index":0', b'"index":"0","x":[]')
    + stop(),
    "done as OpenAI says it": start() + said(0, "Hel", "lo") + stop() + b"data: [DONE]\n\n",
    "no end": (start() + said(0, "Hel", "lo") + stop()).removesuffix(DONE),
    "no blank line at the end": (start() + said(0, "Hel", "lo") + stop()).removesuffix(b"\n\n"),
    "half an event at the end": (start() + said(0, "Hel", "lo") + stop()).removesuffix(DONE)
    + b'event: message_stop\ndata: {"ty',
    "rubbish after the end": start()
    + said(0, "Hel", "lo")
    + stop()
    + b"data: {no\n\n"
    + said(1, "!"),
}


@pytest.mark.parametrize("quirk", HELLOS)
def test_a_text_is_read_from_what_servers_make_of_it(quirk: str) -> None:
    assert decode(HELLOS[quirk]) == (HELLO, None)


def kept(deltas: list[Delta]) -> list[Json]:
    """Return the blocks of the answer's keepsake."""
    (keepsake,) = [delta for delta in deltas if isinstance(delta, Keepsake)]
    assert keepsake.api == "anthropic-messages"
    data = msgspec.json.decode(keepsake.data, type=Json)
    assert data["origin"] == {"provider": "local", "model": "claude-opus-4-5", "prefix": ""}
    return msgspec.convert(data["blocks"], list[Json])


def test_thinking_is_told_and_kept_as_it_came() -> None:
    stream = (
        start()
        + thought(0, "Let me ", "see.", signature="c2lnMQ==")
        + block(1, {"type": "redacted_thinking", "data": "ZGF0YQ=="})
        + said(2, "Wait", ".")
        + thought(3, "Now.", signature="c2lnMg==")
        + used(4, "a", "f", "{}")
        + stop("tool_use")
    )
    deltas, failure = decode(stream)
    assert failure is None
    assert deltas[:6] == [
        ReasoningDelta("Let me "),
        ReasoningDelta("see."),
        TextDelta("Wait"),
        TextDelta("."),
        ReasoningDelta("Now."),
        ToolCallStart(0, "a", "f"),
    ]
    assert isinstance(deltas[-3], Keepsake)
    assert deltas[-2:] == [CALLED, COUNTED]
    assert kept(deltas) == [
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnMQ=="},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "text", "length": 5},
        {"type": "thinking", "thinking": "Now.", "signature": "c2lnMg=="},
        {"type": "tool_use"},
    ]


def test_thinking_that_is_not_shown_is_kept_for_its_signature() -> None:
    deltas, _ = decode(start() + thought(0) + said(1, "Hi") + stop())
    assert [type(delta) for delta in deltas] == [TextDelta, Keepsake, Finish, Usage]
    assert kept(deltas)[0] == {"type": "thinking", "thinking": "", "signature": "c2ln"}


def test_thinking_with_nothing_in_it_is_not_kept() -> None:
    empty = block(0, {"type": "thinking", "thinking": "", "signature": ""})
    deltas, _ = decode(start() + empty + said(1, "Hi") + stop())
    assert [type(delta) for delta in deltas] == [TextDelta, Finish, Usage]


def test_what_else_a_thinking_block_says_is_kept_too() -> None:
    more: Json = {"type": "thinking", "thinking": "Hm", "signature": "", "later": [1]}
    stream = start() + block(0, more, {"type": "thinking_delta", "thinking": "."}) + stop()
    assert kept(decode(stream)[0]) == [more | {"thinking": "Hm."}]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("pause_turn", FinishReason.STOP),
        ("compaction", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("refusal", FinishReason.CONTENT_FILTER),
        ("tool_use", FinishReason.STOP),
    ],
)
def test_stop_reasons_of_an_answer_without_calls(reason: str, finish: FinishReason) -> None:
    assert decode(start() + said(0, "Hi") + stop(reason))[0][-2] == Finish(finish)


def test_an_answer_with_calls_ended_in_order_to_make_them() -> None:
    for reason in ("end_turn", "tool_use"):
        assert decode(start() + used(0, "a", "f") + stop(reason))[0][-2] == CALLED


def test_what_the_api_says_about_a_refusal_is_told() -> None:
    details: Json = {"type": "refusal", "category": "bio", "explanation": "Not that."}
    stream = start() + said(0, "Well") + stop("refusal", stop_details=details)
    assert decode(stream)[0] == [
        TextDelta("Well"),
        RefusalDelta("Not that."),
        Finish(FinishReason.CONTENT_FILTER),
        COUNTED,
    ]
    details["explanation"] = None
    assert decode(start() + stop("refusal", stop_details=details))[0] == [
        Finish(FinishReason.CONTENT_FILTER),
        COUNTED,
    ]


def test_an_answer_may_be_empty_if_it_says_so() -> None:
    assert decode(start() + stop()) == ([STOP, COUNTED], None)


def ended(usage: object) -> bytes:
    return event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage) + DONE


TOKENS: dict[str, tuple[object, object, Usage | None]] = {
    "output at the end": (COUNTS, {"output_tokens": 5}, COUNTED),
    "corrections at the end": (
        COUNTS,
        {
            "input_tokens": 8,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": None,
            "output_tokens": 9,
        },
        Usage(prompt=28, completion=9, cache_write=20),
    ),
    "thinking among the output": (
        {"input_tokens": 1, "output_tokens": 1},
        {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}},
        Usage(prompt=1, completion=9, reasoning=4),
    ),
    "all at the end": (None, {"input_tokens": 3, "output_tokens": 5}, Usage(3, 5)),
    "all at the beginning": (COUNTS, None, Usage(327, 1, 300, 0, 20)),
    "odd counts": ({"input_tokens": "7"}, {"output_tokens": -1, "x": 1}, Usage()),
    "none": (None, None, None),
    "no counts": ({"service_tier": "x"}, [], None),
}


@pytest.mark.parametrize("case", TOKENS)
def test_tokens_are_counted_once_and_the_last_count_is_right(case: str) -> None:
    first, last, usage = TOKENS[case]
    deltas, failure = decode(start(first) + said(0, "Hi") + ended(last))
    assert failure is None
    assert deltas[2:] == ([] if usage is None else [usage])


@pytest.mark.parametrize(
    ("theirs", "tier"),
    [("standard", "default"), ("priority", "priority"), ("batch", "flex"), ("x", None), (4, None)],
)
def test_the_tier_of_an_answer_is_told_in_openais_words_before_its_first_word(
    theirs: object, tier: str | None
) -> None:
    deltas, failure = decode(start(COUNTS | {"service_tier": theirs}) + said(0, "Hi") + stop())
    assert failure is None
    assert deltas[:2] == [*([Stamp(tier=tier)] if tier else []), TextDelta("Hi"), STOP][:2]


def test_unicode_passes_unharmed() -> None:
    text = "é 你好 👋🏽 \u2028\u2029\u0085\x0b\x1c שלום"
    assert decode(start() + said(0, text) + stop())[0][0] == TextDelta(text)


def test_half_a_surrogate_pair_costs_a_character_and_not_the_answer() -> None:
    stream = start() + said(0, "aX").replace(b"aX", b"a\\ud83d") + stop()
    assert decode(stream)[0][0] == TextDelta("a\ufffd")


WHOLE: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"n": 1}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {}},
    ],
    "stop_reason": "tool_use",
    "usage": COUNTS,
}


@pytest.mark.parametrize("before", [b"", b"\n ", b"\xef\xbb\xbf"])
def test_the_whole_answer_of_a_server_that_does_not_stream(before: bytes) -> None:
    deltas, failure = decode(before + msgspec.json.encode(WHOLE))
    assert failure is None
    keepsake = deltas.pop(-3)
    assert kept([keepsake])[0] == {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    assert deltas == [
        ReasoningDelta("Hm."),
        TextDelta("Hello"),
        ToolCallStart(0, "a", "f"),
        ToolCallArguments(0, '{"n":1}'),
        ToolCallStart(1, "b", "g"),
        ToolCallArguments(1, "{}"),
        CALLED,
        Usage(327, 1, 300, 0, 20),
    ]


def test_a_whole_answer_may_leave_out_why_it_stopped() -> None:
    body = {"type": "message", "content": [{"type": "text", "text": "Hi"}]}
    assert decode(msgspec.json.encode(body)) == ([TextDelta("Hi"), STOP], None)


def test_the_decoder_tells_when_to_stop_reading() -> None:
    decoder = decoder_of()
    state: list[tuple[bool, bool]] = []
    for piece in (start() + said(0, "Hi"), stop().removesuffix(DONE), DONE):
        decoder.feed(piece)
        state.append((decoder.finished, decoder.done))
    assert state == [(False, False), (True, False), (True, True)]


def test_each_read_gives_what_it_brought() -> None:
    decoder = decoder_of()
    assert decoder.feed(start() + said(0, "Hel", "lo")) == (TextDelta("Hel"), TextDelta("lo"))
    assert decoder.feed(PING) == ()
