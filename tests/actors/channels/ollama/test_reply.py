"""Texts, thinking, calls and counts of an Ollama answer become the deltas that `Channel` promises."""

import msgspec
import pytest

from greenroom.actors.channels.channel import (
    Delta,
    Finish,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.channels.ollama.reply import OllamaDecoder
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.entries import Keepsake
from tests.actors.channels.conftest import Json
from tests.actors.channels.ollama.conftest import COUNTS, call, decode, last, line, ndjson

STOP = Finish(FinishReason.STOP)
CALLED = Finish(FinishReason.TOOL_CALLS)
HELLO: list[Delta] = [TextDelta("Hel"), TextDelta("lo"), STOP, Usage(26, 5)]
END = last(counts=COUNTS)

CITY = {"city": "Paris"}
CITY_CALL: list[Delta] = [ToolCallStart(0, "a", "f"), ToolCallArguments(0, '{"city":"Paris"}')]

HELLOS: dict[str, bytes] = {
    "canonical": ndjson(line("Hel"), line("lo"), END),
    "text with the last line": ndjson(line("Hel"), END | {"message": {"content": "lo"}}),
    "empty lines": b"\n" + ndjson(line("Hel")) + b"\n \n" + ndjson(line("lo"), END),
    "comments": b": hello\n\n" + ndjson(line("Hel")) + b": hello\n" + ndjson(line("lo"), END),
    "a byte order mark": b"\xef\xbb\xbf" + ndjson(line("Hel"), line("lo"), END),
    "no line end at the end": ndjson(line("Hel"), line("lo"), END).removesuffix(b"\n"),
    "null fields": ndjson(
        line("Hel", thinking=None, tool_calls=None, images=None), line("lo"), END | {"error": None}
    ),
    "no role": ndjson({"message": {"content": "Hel"}}, {"message": {"content": "lo"}}, END),
    "lines without a message": ndjson(line("Hel"), {"done": False}, line("lo"), END),
    "no reason": ndjson(line("Hel"), line("lo"), last(None, COUNTS)),
    "an odd reason": ndjson(line("Hel"), line("lo"), END | {"done_reason": 5}),
    "a new reason": ndjson(line("Hel"), line("lo"), last("unload", COUNTS)),
    "odd fields": ndjson(
        line("Hel") | {"created_at": 5, "logprobs": 5, "remote_host": "x"}, line("lo"), END
    ),
    "counts as floats": ndjson(
        line("Hel"), line("lo"), last(counts={"prompt_eval_count": 26.0, "eval_count": 5.0})
    ),
    "rubbish after the end": ndjson(line("Hel"), line("lo"), END) + b"{nonsense\n" + ndjson(END),
}


@pytest.mark.parametrize("manner", HELLOS)
def test_a_text_is_read_however_its_lines_are_written(manner: str) -> None:
    assert decode(HELLOS[manner]) == (HELLO, None)


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({}, Usage()),
        ({"eval_count": 5}, Usage(0, 5)),
        ({"prompt_eval_count": 26}, Usage(26, 0)),
        ({"prompt_eval_count": None, "eval_count": "5"}, Usage()),
        ({"prompt_eval_count": -1, "eval_count": 5}, Usage(0, 5)),
    ],
)
def test_counts_that_are_left_out_are_zero(counts: Json, usage: Usage) -> None:
    assert decode(ndjson(line("Hi"), last(counts=counts)))[0][-1] == usage


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("load", FinishReason.STOP),
        (None, FinishReason.STOP),
    ],
)
def test_reasons_of_an_answer_without_calls(reason: str | None, finish: FinishReason) -> None:
    assert decode(ndjson(line("Hi"), last(reason)))[0][1] == Finish(finish)


def test_an_answer_may_be_empty_if_it_says_so() -> None:
    assert decode(ndjson(last("load"))) == ([STOP, Usage()], None)


def test_thinking_comes_under_its_own_name() -> None:
    body = ndjson(line(thinking="h"), line(thinking="m"), line("Hi"), last())
    assert decode(body)[0] == [
        ReasoningDelta("h"),
        ReasoningDelta("m"),
        TextDelta("Hi"),
        STOP,
        Usage(),
    ]


def test_thinking_that_a_server_left_in_the_text_is_told_from_it() -> None:
    body = ndjson(line("<th"), line("ink>hm</think>"), line("Hi"), last())
    assert decode(body)[0][:2] == [ReasoningDelta("hm"), TextDelta("Hi")]


def test_where_thinking_comes_apart_tags_are_text() -> None:
    body = ndjson(line(thinking="hm"), line("<think>"), last())
    assert decode(body)[0][:2] == [ReasoningDelta("hm"), TextDelta("<think>")]


CITIES: dict[str, bytes] = {
    "in a line of its own": ndjson(line(tool_calls=[call("f", CITY, id="a")]), last()),
    "with the last line": ndjson(line(tool_calls=[call("f", CITY, id="a")]) | {"done": True}),
    "with an index": ndjson(
        line(tool_calls=[{"id": "a", "function": {"index": 7, "name": "f", "arguments": CITY}}]),
        last(),
    ),
    "with a type": ndjson(line(tool_calls=[call("f", CITY, id="a", type="function")]), last()),
    "arguments as text": ndjson(
        line(tool_calls=[call("f", '{"city":"Paris"}', id="a")]), last("stop")
    ),
}


@pytest.mark.parametrize("manner", CITIES)
def test_a_tool_call_is_read_whole(manner: str) -> None:
    assert decode(CITIES[manner]) == ([*CITY_CALL, CALLED, Usage()], None)


def test_calls_are_numbered_across_lines_and_get_ids_where_they_have_none() -> None:
    body = ndjson(
        line(tool_calls=[call("f", {}), call("g", {"a": 1}, id="")]),
        line("and"),
        line(tool_calls=[call("f", None, id="x"), call("h", {}, id="x")]),
        last(),
    )
    assert decode(body)[0] == [
        ToolCallStart(0, "new-0", "f"),
        ToolCallArguments(0, "{}"),
        ToolCallStart(1, "new-1", "g"),
        ToolCallArguments(1, '{"a":1}'),
        TextDelta("and"),
        ToolCallStart(2, "x", "f"),
        ToolCallArguments(2, "{}"),
        ToolCallStart(3, "new-2", "h"),
        ToolCallArguments(3, "{}"),
        CALLED,
        Usage(),
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (b'{"b": 1.50, "a": "\\u00e9"}', '{"b": 1.50, "a": "\\u00e9"}'),
        (b'{"n":123456789012345678901234567890}', '{"n":123456789012345678901234567890}'),
        (b"null", "{}"),
        (b'""', "{}"),
        (b'" "', "{}"),
        (b'"{\\"a\\":1}"', '{"a":1}'),
        (b"[1]", "[1]"),
        (b"5", "5"),
    ],
)
def test_arguments_keep_the_spelling_that_they_came_in(arguments: bytes, text: str) -> None:
    body = b'{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":%b}}]}}\n'
    assert decode(body % arguments + ndjson(last()))[0][1] == ToolCallArguments(0, text)


def test_a_call_without_arguments_gets_the_empty_object() -> None:
    body = ndjson(line(tool_calls=[{"function": {"name": "f"}}]), last())
    assert decode(body)[0][1] == ToolCallArguments(0, "{}")


def test_an_answer_cut_by_its_limit_says_so_whatever_it_called() -> None:
    body = ndjson(line(tool_calls=[call("f", {})]), last("length"))
    assert Finish(FinishReason.LENGTH) in decode(body)[0]


def test_what_was_thought_before_a_call_is_kept_for_the_model() -> None:
    body = ndjson(line(thinking="h"), line(thinking="m"), line(tool_calls=[call("f", {})]), last())
    *_, kept, finish, usage = decode(body)[0]
    assert (finish, usage) == (CALLED, Usage())
    assert isinstance(kept, Keepsake)
    assert (kept.api, msgspec.json.decode(kept.data)) == ("ollama", {"thinking": "hm"})


def test_unicode_passes_unharmed() -> None:
    text = "é 你好 👋🏽 \u2028\u2029\u0085\x0b\x1c שלום"
    assert decode(ndjson(line(text), last()))[0][0] == TextDelta(text)


def test_the_decoder_tells_when_to_stop_reading() -> None:
    decoder = OllamaDecoder(UpstreamErrors("local"))
    state: list[tuple[bool, bool]] = []
    for body in (ndjson(line("Hi")), ndjson(last())):
        decoder.feed(body)
        state.append((decoder.finished, decoder.done))
    assert state == [(False, False), (True, True)]


def test_each_read_gives_what_it_brought() -> None:
    decoder = OllamaDecoder(UpstreamErrors("local"))
    assert decoder.feed(ndjson(line("Hel"), line("lo"))) == (TextDelta("Hel"), TextDelta("lo"))
    assert decoder.feed(ndjson(line("!"))[:10]) == ()


def test_made_up_ids_are_short_and_plain() -> None:
    (start, _) = OllamaDecoder(UpstreamErrors("local")).feed(
        ndjson(line(tool_calls=[call("f", {})]))
    )
    assert isinstance(start, ToolCallStart)
    assert len(start.id) <= 40
    assert start.id.replace("_", "").isalnum()
