"""Texts, thinking and counts of all sorts of servers become the deltas that `Channel` promises."""

import msgspec
import pytest

from greenroom.actors.channels.channel import (
    Delta,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    Usage,
)
from greenroom.actors.channels.openai.reply import OpenAIDecoder
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from tests.actors.channels.conftest import DONE, Json, chunk, decode, said, sse

STOP = Finish(FinishReason.STOP)
ROLE = chunk({"role": "assistant", "content": ""})
END = chunk({}, "stop")
USAGE: Json = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
COUNTED = Usage(7, 3)
HELLO: list[Delta] = [TextDelta("Hel"), TextDelta("lo"), STOP]


def test_a_canonical_answer() -> None:
    stream = sse(ROLE, *said("Hel", "lo"), END, {"id": "c", "choices": [], "usage": USAGE})
    assert decode(stream) == ([*HELLO, COUNTED], None)


HELLOS: dict[str, bytes] = {
    "azure's first chunk": sse(
        {"choices": [], "created": 0, "id": "", "model": "", "prompt_filter_results": []},
        *said("Hel", "lo"),
        END,
    ),
    "role in every delta": sse(
        *(chunk({"role": "assistant", "content": text}) for text in ("", "Hel", "lo")), END
    ),
    "null fields": sse(
        chunk(
            {
                "role": None,
                "content": "Hel",
                "refusal": None,
                "function_call": None,
                "tool_calls": None,
            }
        ),
        chunk(
            {"content": "lo", "reasoning_content": None, "reasoning": None}, usage=None, error=None
        ),
        chunk({"content": None}, "stop"),
    ),
    "finish with the last content": sse(*said("Hel"), chunk({"content": "lo"}, "stop")),
    "text after the finish": sse(*said("Hel"), END, *said("lo")),
    "an empty finish reason at first": sse(chunk({"content": "Hel"}, ""), *said("lo"), END),
    "a finish reason in every chunk": sse(
        chunk({"content": "Hel"}, "stop"), chunk({"content": "lo"}, "stop")
    ),
    "an unknown finish reason": sse(*said("Hel", "lo"), chunk({}, "eos_token")),
    "a null delta": sse(
        *said("Hel", "lo"), {"choices": [{"delta": None, "finish_reason": "stop"}]}
    ),
    "no choice index": sse(
        *({"choices": [{"delta": {"content": text}}]} for text in ("Hel", "lo")),
        {"choices": [{"finish_reason": "stop"}]},
    ),
    "message instead of delta": sse(
        {"choices": [{"index": 0, "message": {"content": "Hel"}}]}, *said("lo"), END
    ),
    "other choices": sse(
        *said("Hel"),
        {"choices": [{"index": 1, "delta": {"content": "Bye"}, "finish_reason": "length"}]},
        *said("lo"),
        END,
    ),
    "created as a float, odd fields": sse(
        *said("Hel"),
        chunk({"content": "lo", "annotations": 5}, "stop", created=1.5, usage=5, x_groq=[]),
    ),
    "crlf": sse(*said("Hel", "lo"), END).replace(b"\n", b"\r\n"),
    "no space": sse(*said("Hel", "lo"), END).replace(b"data: ", b"data:"),
    "a byte order mark": b"\xef\xbb\xbf" + sse(*said("Hel", "lo"), END),
    "comments": b": OPENROUTER PROCESSING\n\n" + sse(*said("Hel", "lo"), END),
    "event, id and retry lines": sse(*said("Hel", "lo"), END).replace(
        b"data: {", b"event: message\nid: 7\nretry: 1000\ndata: {"
    ),
    "a named event without meaning": b'event: ping\ndata: {"type": "ping"}\n\n'
    + sse(*said("Hel", "lo"), END),
    "empty data": b"data:\n\ndata: \n\n" + sse(*said("Hel", "lo"), END),
    "padded done": sse(*said("Hel", "lo"), END, done=b"data: [DONE] \n\n"),
    "no done": sse(*said("Hel", "lo"), END, done=b""),
    "no blank line at the end": sse(*said("Hel", "lo"), END, done=b"").removesuffix(b"\n\n"),
    "no blank line after done": sse(*said("Hel", "lo"), END, done=b"data: [DONE]"),
    "rubbish after done": sse(*said("Hel", "lo"), END)
    + b"data: {nonsense\n\n"
    + sse(*said("more")),
    "half a chunk after the finish": sse(*said("Hel", "lo"), END, done=b'data: {"choi'),
    "a list of chunks": sse([*said("Hel", "lo")], [END]),
    "content in parts": sse(
        chunk({"content": [{"type": "text", "text": "Hel"}]}),
        chunk({"content": [{"text": "lo"}]}, "stop"),
    ),
    "NaN among logprobs": sse(
        *said("Hel"), chunk({"content": "lo"}, "stop", logprobs="NaN")
    ).replace(b'"NaN"', b"NaN"),
}


@pytest.mark.parametrize("quirk", HELLOS)
def test_a_text_is_read_from_what_servers_make_of_it(quirk: str) -> None:
    assert decode(HELLOS[quirk]) == (HELLO, None)


COUNTS: dict[str, bytes] = {
    "on the finish chunk": sse(*said("Hel", "lo"), chunk({}, "stop", usage=USAGE)),
    "on every chunk, the last counts": sse(
        chunk({"content": "Hel"}, usage=USAGE | {"completion_tokens": 1}),
        chunk({"content": "lo"}, usage=USAGE | {"completion_tokens": 2}),
        chunk({}, "stop", usage=USAGE),
    ),
    "null after it": sse(*said("Hel", "lo"), chunk({}, "stop", usage=USAGE), chunk(usage=None)),
    "in x_groq": sse(*said("Hel", "lo"), chunk({}, "stop", x_groq={"id": "r", "usage": USAGE})),
    "in the choice": sse(
        *said("Hel", "lo"), {"choices": [{"delta": {}, "finish_reason": "stop", "usage": USAGE}]}
    ),
    "as floats": sse(
        *said("Hel", "lo"),
        END,
        {"choices": [], "usage": {"prompt_tokens": 7.0, "completion_tokens": 3.0}},
    ),
    "without choices": sse(*said("Hel", "lo"), END, {"usage": USAGE}),
    "with null choices": sse(*said("Hel", "lo"), END, {"choices": None, "usage": USAGE}),
}


@pytest.mark.parametrize("place", COUNTS)
def test_tokens_are_counted_once_wherever_the_count_stands(place: str) -> None:
    assert decode(COUNTS[place]) == ([*HELLO, COUNTED], None)


def test_the_details_of_usage_are_read() -> None:
    usage = USAGE | {
        "prompt_tokens_details": {"cached_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert decode(sse(END, {"usage": usage}))[0][-1] == Usage(7, 3, 5, 2)
    assert decode(sse(END, {"usage": USAGE | {"prompt_cache_hit_tokens": 4}}))[0][-1] == Usage(
        7, 3, 4
    )
    odd: Json = {"prompt_tokens": "7", "completion_tokens": -1, "prompt_tokens_details": []}
    assert decode(sse(END, {"usage": odd}))[0][-1] == Usage()


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", FinishReason.STOP),
        ("STOP", FinishReason.STOP),
        ("end_turn", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("tool_calls", FinishReason.STOP),
    ],
)
def test_finish_reasons_of_an_answer_without_calls(reason: str, finish: FinishReason) -> None:
    assert decode(sse(*said("Hi"), chunk({}, reason)))[0][-1] == Finish(finish)


def test_an_answer_may_be_empty_if_it_says_so() -> None:
    assert decode(sse(ROLE, END)) == ([STOP], None)


@pytest.mark.parametrize(
    "deltas",
    [
        [{"reasoning_content": "hm"}, {"content": "Hi"}],
        [{"reasoning": "hm"}, {"content": "Hi"}],
        [
            {"reasoning": "hm", "reasoning_content": "hm", "reasoning_details": [{"text": "hm"}]},
            {"content": "Hi"},
        ],
        [{"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, {"content": "Hi"}],
        [
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]},
            {"content": "Hi"},
        ],
        [{"content": "<think>hm</think>Hi"}],
        [{"content": "<th"}, {"content": "ink>hm</think>"}, {"content": "Hi"}],
        [
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
            {"content": "Hi"},
        ],
    ],
)
def test_thinking_is_told_from_text_under_all_its_names(deltas: list[Json]) -> None:
    assert decode(sse(*map(chunk, deltas), END)) == (
        [ReasoningDelta("hm"), TextDelta("Hi"), STOP],
        None,
    )


def test_where_thinking_comes_apart_tags_are_text() -> None:
    deltas, _ = decode(sse(chunk({"reasoning": "hm"}), *said("<think>"), END))
    assert deltas == [ReasoningDelta("hm"), TextDelta("<think>"), STOP]


def test_a_refusal() -> None:
    stream = sse(chunk({"content": None, "refusal": ""}), chunk({"refusal": "No."}), END)
    assert decode(stream) == ([RefusalDelta("No."), STOP], None)


def test_unicode_passes_unharmed() -> None:
    text = "é 你好 👋🏽 \u2028\u2029\u0085\x0b\x1c שלום"
    assert decode(sse(*said(text), END))[0][0] == TextDelta(text)
    escaped = (
        b'data: {"choices":[{"delta":{"content":"\\ud83d\\ude00"},"finish_reason":"stop"}]}\n\n'
    )
    assert decode(escaped)[0][0] == TextDelta("😀")


def test_half_a_surrogate_pair_costs_a_character_and_not_the_answer() -> None:
    stream = b'data: {"choices":[{"delta":{"content":"a\\ud83d"},"finish_reason":"stop"}]}\n\n'
    assert decode(stream) == ([TextDelta("a\ufffd"), STOP], None)


WHOLE: Json = {"id": "c", "object": "chat.completion", "usage": USAGE}


@pytest.mark.parametrize("before", [b"", b"\n ", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("reason", ["stop", None, ""])
def test_the_whole_answer_of_a_server_that_does_not_stream(
    before: bytes, reason: str | None
) -> None:
    message = {"role": "assistant", "content": "Hello", "reasoning_content": "hm"}
    body = WHOLE | {"choices": [{"index": 0, "message": message, "finish_reason": reason}]}
    assert decode(before + msgspec.json.encode(body)) == (
        [ReasoningDelta("hm"), TextDelta("Hello"), STOP, COUNTED],
        None,
    )


def test_the_decoder_tells_when_to_stop_reading() -> None:
    decoder = OpenAIDecoder(UpstreamErrors("local"))
    state: list[tuple[bool, bool]] = []
    for body in (sse(*said("Hi"), done=b""), sse(END, done=b""), DONE):
        decoder.feed(body)
        state.append((decoder.finished, decoder.done))
    assert state == [(False, False), (True, False), (True, True)]


def test_each_read_gives_what_it_brought() -> None:
    decoder = OpenAIDecoder(UpstreamErrors("local"))
    assert decoder.feed(sse(*said("Hel", "lo"), done=b"")) == (TextDelta("Hel"), TextDelta("lo"))
    assert decoder.feed(b": comment\n\n") == ()
