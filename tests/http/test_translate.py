"""Rules of what goes out: the order of chunks, their exact JSON, and what no client must ever see."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import (
    Delta,
    Deltas,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.turn import Route, Served, TurnEnded, TurnStarted
from greenroom.http.completion import CompletionBuilder
from greenroom.http.translate import ChunkEncoder
from tests.http.conftest import chunks_of

STARTED = TurnStarted("1", Served(Route("scripted", "demo"), 1), "openclaw", 7)
STOP = TurnEnded(FinishReason.STOP, Usage(3, 5, 1, 2))
CALLS = TurnEnded(FinishReason.TOOL_CALLS, Usage(3, 5, 1, 2))
HEAD = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"openclaw"'
USAGE = (
    '{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8,'
    '"prompt_tokens_details":{"cached_tokens":1,"audio_tokens":0,"cache_write_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":2,"audio_tokens":0,'
    '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'
)


def streamed(
    batches: list[Deltas], ended: TurnEnded = STOP, *, include_usage: bool = False
) -> bytes:
    encoder = ChunkEncoder(include_usage=include_usage)
    encoder.start(STARTED)
    return b"".join([*map(encoder.progress, batches), encoder.end(ended)])


def whole(batches: list[Deltas], ended: TurnEnded = STOP) -> bytes:
    builder = CompletionBuilder()
    for batch in batches:
        builder.progress(batch)
    return builder.end(STARTED, ended)


def lines(*choices: str, usage: str = "") -> bytes:
    return "".join(f"data: {{{HEAD},{choice}{usage}}}\n\n" for choice in choices).encode()


def choice(delta: str, finish: str = "null") -> str:
    return f'"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]'


TEXT_ROLE = choice('{"role":"assistant","content":""}')
CALL_ROLE = choice('{"role":"assistant","content":null}')
DONE = b"data: [DONE]\n\n"


def test_text_is_role_content_finish_and_done() -> None:
    assert streamed([(TextDelta("Hel"), TextDelta("lo"))]) == (
        lines(
            TEXT_ROLE,
            choice('{"content":"Hel"}'),
            choice('{"content":"lo"}'),
            choice("{}", '"stop"'),
        )
        + DONE
    )


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans(),
)
def test_chunks_of_text_differ_in_their_text_alone(
    texts: list[str], model: str, usage: bool
) -> None:
    encoder = ChunkEncoder(include_usage=usage)
    encoder.start(TurnStarted('"delta":{"content":""', STARTED.served, model, 7))
    told = encoder.progress(tuple(map(TextDelta, texts)))
    role, *chunks = (json.loads(event[6:]) for event in told.decode().split("\n\n") if event)
    for text, chunk in zip(texts, chunks, strict=True):
        (told_choice,) = chunk["choices"]
        assert told_choice["delta"] == {"content": text}
        told_choice["delta"] = {"role": "assistant", "content": ""}
        assert chunk == role


def test_usage_where_it_is_asked_for_is_null_until_a_last_chunk_without_choices() -> None:
    assert streamed([(TextDelta("a"),)], include_usage=True) == (
        lines(TEXT_ROLE, choice('{"content":"a"}'), choice("{}", '"stop"'), usage=',"usage":null')
        + lines('"choices":[]', usage=f',"usage":{USAGE}')
        + DONE
    )


def test_a_function_call_is_its_identity_and_then_fragments_that_have_none() -> None:
    batch: Deltas = (
        ToolCallStart(0, "c1", "look"),
        ToolCallArguments(0, '{"a"'),
        ToolCallArguments(0, ":1}"),
        ToolCallStart(1, "c2", "go"),
    )
    assert streamed([batch], CALLS) == (
        lines(
            CALL_ROLE,
            choice(
                '{"tool_calls":[{"index":0,"id":"c1","type":"function",'
                '"function":{"name":"look","arguments":""}}]}'
            ),
            choice('{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\""}}]}'),
            choice('{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}'),
            choice(
                '{"tool_calls":[{"index":1,"id":"c2","type":"function",'
                '"function":{"name":"go","arguments":""}}]}'
            ),
            choice("{}", '"tool_calls"'),
        )
        + DONE
    )


def test_further_keys_of_a_call_stand_in_its_first_fragment_and_in_the_whole_call() -> None:
    extra = b'{"extra_content":{"google":{"thought_signature":"c2ln"}}}'
    batch: Deltas = (ToolCallStart(0, "c1", "look", extra=extra), ToolCallArguments(0, "{}"))
    assert streamed([batch], CALLS) == (
        lines(
            CALL_ROLE,
            choice(
                '{"tool_calls":[{"index":0,"id":"c1","type":"function",'
                '"function":{"name":"look","arguments":""},'
                '"extra_content":{"google":{"thought_signature":"c2ln"}}}]}'
            ),
            choice('{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}'),
            choice("{}", '"tool_calls"'),
        )
        + DONE
    )
    (made,) = json.loads(whole([batch], CALLS))["choices"]
    (call,) = made["message"]["tool_calls"]
    assert call == {
        "id": "c1",
        "type": "function",
        "function": {"name": "look", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}},
    }


def test_a_custom_call_has_input_instead_of_arguments() -> None:
    batch: Deltas = (ToolCallStart(0, "c", "say", custom=True), ToolCallArguments(0, "hi"))
    assert streamed([batch], CALLS) == (
        lines(
            CALL_ROLE,
            choice(
                '{"tool_calls":[{"index":0,"id":"c","type":"custom","custom":{"name":"say","input":""}}]}'
            ),
            choice('{"tool_calls":[{"index":0,"custom":{"input":"hi"}}]}'),
            choice("{}", '"tool_calls"'),
        )
        + DONE
    )


def test_reasoning_and_refusal_go_out_under_their_own_names() -> None:
    assert streamed([(ReasoningDelta("hm"), RefusalDelta("No"))]) == (
        lines(
            TEXT_ROLE,
            choice('{"reasoning_content":"hm"}'),
            choice('{"refusal":"No"}'),
            choice("{}", '"stop"'),
        )
        + DONE
    )


def test_an_empty_answer_has_its_role_and_its_finish_all_the_same() -> None:
    assert streamed([]) == lines(TEXT_ROLE, choice("{}", '"stop"')) + DONE


def test_a_whole_answer_has_null_for_what_is_required_and_nothing_else_that_is_empty() -> None:
    assert whole([(TextDelta("Hel"),), (TextDelta("lo"),)]).decode() == (
        '{"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"openclaw","choices":['
        '{"index":0,"message":{"role":"assistant","content":"Hello","refusal":null},"logprobs":null,'
        f'"finish_reason":"stop"}}],"usage":{USAGE}}}'
    )


def test_a_whole_answer_of_calls_has_null_content_and_no_indexes() -> None:
    batch: Deltas = (
        ToolCallStart(0, "c1", "look"),
        ToolCallArguments(0, "{}"),
        ToolCallStart(1, "c2", "say", custom=True),
        ToolCallArguments(1, "hi"),
    )
    (made,) = json.loads(whole([batch], CALLS))["choices"]
    assert made["finish_reason"] == "tool_calls"
    assert made["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"arguments": "{}", "name": "look"}},
            {"id": "c2", "type": "custom", "custom": {"input": "hi", "name": "say"}},
        ],
    }


def test_a_whole_refusal_has_null_content() -> None:
    (made,) = json.loads(whole([(RefusalDelta("No"), RefusalDelta("!"))]))["choices"]
    assert made["message"] == {"role": "assistant", "content": None, "refusal": "No!"}


def test_an_empty_whole_answer_has_empty_content() -> None:
    (made,) = json.loads(whole([]))["choices"]
    assert made["message"]["content"] == ""


@pytest.mark.parametrize("text", ["\u2028\u2029\x85", "\n\n\r\ndata: x", "😀", '"\\', "\x00\x1b"])
def test_a_text_never_breaks_its_frame(text: str) -> None:
    body = streamed([(TextDelta(text),)])
    assert b"\r" not in body
    assert chunks_of(body)[1]["choices"][0]["delta"] == {"content": text}


# Over all answers

_word = st.text(max_size=5)


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[Deltas], TurnEnded]:
    """Whatever a channel may say, in batches of any size."""
    flat: list[Delta] = []
    index = 0
    for kind in draw(
        st.lists(st.sampled_from(["text", "reasoning", "refusal", "call"]), max_size=8)
    ):
        match kind:
            case "text":
                flat.append(TextDelta(draw(_word)))
            case "reasoning":
                flat.append(ReasoningDelta(draw(_word)))
            case "refusal":
                flat.append(RefusalDelta(draw(_word)))
            case _:
                custom = draw(st.booleans())
                extra = draw(st.none() | st.just(b'{"x":{"y":"z"}}'))
                flat.append(ToolCallStart(index, f"call_{index}", draw(_word), custom, extra))
                fragments = draw(st.lists(_word, max_size=3))
                flat.extend(ToolCallArguments(index, fragment) for fragment in fragments)
                index += 1
    batches: list[Deltas] = []
    while flat:
        size = draw(st.integers(1, len(flat)))
        batches.append(tuple(flat[:size]))
        del flat[:size]
    reason = draw(st.sampled_from(FinishReason))
    return batches, TurnEnded(reason, Usage(*draw(st.tuples(*[st.integers(0, 9)] * 4))))


def joined(chunks: list[Any]) -> dict[str, Any]:
    """Put a stream together as the SDKs do: strings are joined, whatever repeats is doubled."""
    message: dict[str, Any] = {}
    for chunk in chunks:
        for item in chunk["choices"]:
            _join(message, item["delta"])
    return message


def _join(into: dict[str, Any], delta: dict[str, Any]) -> None:
    for key, value in delta.items():
        if key == "tool_calls":
            calls = into.setdefault(key, [])
            for call in value:
                if call["index"] == len(calls):
                    calls.append({})
                _join(calls[call["index"]], {k: v for k, v in call.items() if k != "index"})
        elif isinstance(value, dict):
            _join(into.setdefault(key, {}), value)  # pyright: ignore[reportUnknownArgumentType]
        elif value is None:
            into.setdefault(key, None)
        else:
            into[key] = (into.get(key) or "") + value


@given(answers(), st.booleans())
def test_no_stream_breaks_a_rule_that_a_client_depends_on(
    answer: tuple[list[Deltas], TurnEnded], include_usage: bool
) -> None:
    batches, ended = answer
    body = streamed(batches, ended, include_usage=include_usage)
    chunks = chunks_of(body)
    if include_usage:
        *chunks, last = chunks
        assert last["choices"] == []
        assert last["usage"]["prompt_tokens"] == ended.usage.prompt
        assert last["usage"]["total_tokens"] == ended.usage.prompt + ended.usage.completion
    for chunk in chunks:
        assert list(chunk)[:5] == ["id", "object", "created", "model", "choices"]
        assert (chunk["id"], chunk["object"]) == ("chatcmpl-1", "chat.completion.chunk")
        assert (chunk["created"], chunk["model"]) == (7, "openclaw")
        assert ("usage" in chunk) == include_usage
        assert chunk.get("usage") is None
        (item,) = chunk["choices"]
        assert list(item) == ["index", "delta", "logprobs", "finish_reason"]
        assert item["index"] == 0
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert deltas[0]["role"] == "assistant"
    assert all("role" not in delta for delta in deltas[1:])
    assert all(isinstance(delta["content"], str) for delta in deltas[1:] if "content" in delta)
    assert reasons == [None] * (len(reasons) - 1) + [ended.reason.value]
    assert deltas[-1] == {}
    current = -1
    for delta in deltas:
        for call in delta.get("tool_calls", ()):
            if call["index"] == current + 1:
                assert list(call)[:3] == ["index", "id", "type"]
                assert call[call["type"]]["name"] is not None
                current += 1
            else:
                assert call["index"] == current, "fragments of two calls are mixed"
                assert list(call) in (["index", "function"], ["index", "custom"])
                assert all(list(call[kind]) != ["name"] for kind in list(call)[1:])
                assert "name" not in next(iter(list(call.values())[1:]))


@given(answers())
def test_a_whole_answer_is_what_its_stream_comes_to(
    answer: tuple[list[Deltas], TurnEnded],
) -> None:
    batches, ended = answer
    (item,) = json.loads(whole(batches, ended))["choices"]
    message = joined(chunks_of(streamed(batches, ended)))
    for key in ("content", "refusal"):
        # Nothing said is null beside calls or a refusal, and empty otherwise.
        assert (item["message"].pop(key) or "") == (message.pop(key, None) or "")
    assert message.pop("reasoning_content", "") == item["message"].pop("reasoning_content", "")
    assert item["message"] == message
    assert item["finish_reason"] == ended.reason.value


CONTENT = (TextDelta("Hel"), TextDelta("lo"), ToolCallStart(0, "c", "f"))


def numbered(batches: list[Deltas], after: int, *, event_ids: bool = True) -> bytes:
    encoder = ChunkEncoder(include_usage=True, starting_after=after, event_ids=event_ids)
    encoder.start(STARTED)
    return b"".join([*map(encoder.progress, batches), encoder.end(STOP)])


def test_events_are_numbered_where_that_is_asked_for() -> None:
    events = numbered([CONTENT], 0).decode().split("\n\n")[:-1]
    assert [event.split("\n")[0] for event in events] == [f"id: {n}" for n in range(1, 8)]
    plain = b"".join(f"{event.partition(chr(10))[2]}\n\n".encode() for event in events)
    assert plain == numbered([CONTENT], 0, event_ids=False)


@given(after=st.integers(0, 9), cuts=st.lists(st.integers(1, 3), max_size=3), ids=st.booleans())
def test_a_stream_goes_on_after_any_event_however_it_was_batched(
    after: int, cuts: list[int], ids: bool
) -> None:
    whole = numbered([CONTENT], 0, event_ids=ids).split(b"\n\n")[:-1]
    batches: list[Deltas] = []
    left: Deltas = CONTENT
    for cut in cuts:
        batches.append(left[:cut])
        left = left[cut:]
    rest = numbered([*batches, left], after, event_ids=ids)
    assert rest == b"".join(event + b"\n\n" for event in whole[after:])


def test_an_error_in_the_middle_is_an_event_with_a_number_as_well() -> None:
    encoder = ChunkEncoder(include_usage=False, event_ids=True)
    encoder.start(STARTED)
    encoder.progress((TextDelta("a"),))
    assert encoder.fail(b"{}") == b"id: 3\ndata: {}\n\nid: 4\ndata: [DONE]\n\n"
