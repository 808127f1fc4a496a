"""Rules of several answers at once: each is told by itself, in its own order; the first one ends last."""

import itertools
from collections import defaultdict
from functools import partial

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.answer import Answer
from greenroom.actors.channels.channel import (
    ChoiceDelta,
    Delta,
    Finish,
    FinishReason,
    OfChoice,
    Stamp,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.channels.openai.reply import OpenAIDecoder
from greenroom.actors.channels.openai.request import Destination, encode_prompt
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.entries import Keepsake, Prompt, Sampling, UserEntry
from tests.actors.channels.conftest import (
    Json,
    Outcome,
    in_order,
    outcome_of,
    same_wherever_cut,
    sse,
)

STOP = Finish(FinishReason.STOP)


def decoded(choices: int, *pieces: bytes) -> Outcome:
    ids = itertools.count()
    decoder = OpenAIDecoder(UpstreamErrors("local"), lambda: f"new-{next(ids)}", choices=choices)
    return outcome_of(decoder, pieces)


def decode(body: bytes, choices: int = 3) -> Outcome:
    return same_wherever_cut(partial(decoded, choices), body)


def part(index: object, delta: Json | None = None, finish: str | None = None) -> Json:
    return {"index": index, "delta": delta or {}, "finish_reason": finish}


def chunk(*choices: Json, **more: object) -> Json:
    return {"object": "chat.completion.chunk", "choices": [*choices]} | more


def told(deltas: list[Delta]) -> dict[int, list[ChoiceDelta]]:
    """The deltas of each choice."""
    found: dict[int, list[ChoiceDelta]] = defaultdict(list)
    for delta in deltas:
        match delta:
            case OfChoice(index, inner):
                found[index].append(inner)
            case Usage() | Stamp() | Keepsake():
                pass
            case _:
                found[0].append(delta)
    return dict(found)


def test_each_choice_is_told_by_itself() -> None:
    body = sse(
        chunk(part(0, {"role": "assistant", "content": ""})),
        chunk(part(1, {"role": "assistant", "content": ""})),
        chunk(part(1, {"content": "B"})),
        chunk(part(0, {"content": "A"})),
        chunk(part(0, {"content": "a"}), part(1, {"content": "b"})),
        chunk(part(1, {}, "length")),
        chunk(part(0, {}, "stop")),
        chunk(usage={"prompt_tokens": 3, "completion_tokens": 4}),
    )
    deltas, failure = decode(body, 2)
    assert failure is None
    assert deltas == [
        OfChoice(1, TextDelta("B")),
        TextDelta("A"),
        TextDelta("a"),
        OfChoice(1, TextDelta("b")),
        OfChoice(1, Finish(FinishReason.LENGTH)),
        STOP,
        Usage(3, 4),
    ]
    assert in_order(deltas)


def test_calls_are_numbered_within_their_choice() -> None:
    def call(index: int, id_: str) -> Json:
        function = {"name": "look", "arguments": "{}"}
        return part(index, {"tool_calls": [{"index": 0, "id": id_, "function": function}]})

    body = sse(
        chunk(call(1, "b")),
        chunk(call(0, "a")),
        chunk(part(0, {}, "tool_calls"), part(1, {}, "tool_calls")),
    )
    deltas, _ = decode(body, 2)
    ends = Finish(FinishReason.TOOL_CALLS)
    assert told(deltas) == {
        1: [ToolCallStart(0, "b", "look"), ToolCallArguments(0, "{}"), ends],
        0: [ToolCallStart(0, "a", "look"), ToolCallArguments(0, "{}"), ends],
    }


def test_a_server_that_gives_fewer_choices_is_believed() -> None:
    deltas, failure = decode(sse(chunk(part(0, {"content": "A"}, "stop"))), 4)
    assert (failure, told(deltas)) == (None, {0: [TextDelta("A"), STOP]})


def test_choices_that_nobody_asked_for_are_left_out() -> None:
    body = sse(
        chunk(part(5, {"content": "X"}), part(0, {"content": "A"}), part(1, {"content": "B"}))
    )
    rest = sse(chunk(part(0, {}, "stop")), chunk(part(5, {}, "stop")))
    deltas, failure = decode(body.removesuffix(b"data: [DONE]\n\n") + rest, 1)
    assert (failure, told(deltas)) == (None, {0: [TextDelta("A"), STOP]})


def test_a_choice_that_has_begun_must_end() -> None:
    body = sse(chunk(part(0, {"content": "A"}, "stop")), chunk(part(1, {"content": "B"})))
    deltas, failure = decode(body, 2)
    assert failure is not None
    assert "ended its answer in the middle" in failure.message
    assert not any(isinstance(delta, Finish) for delta in deltas)


def test_an_answer_that_is_not_streamed_has_its_choices_too() -> None:
    choices = [
        {"index": i, "message": {"role": "assistant", "content": f"{i}"}, "finish_reason": "stop"}
        for i in range(3)
    ]
    body = msgspec.json.encode({"object": "chat.completion", "choices": choices})
    deltas, failure = decode(body)
    assert failure is None
    assert told(deltas) == {i: [TextDelta(f"{i}"), STOP] for i in range(3)}
    assert deltas[-1] == STOP


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "bc", "<think>x</think>y"]))),
    st.permutations(range(4)),
)
def test_however_choices_interleave_each_says_its_own(
    said: list[tuple[int, str]], ends: list[int]
) -> None:
    parts = [chunk(part(index, {"content": text})) for index, text in said]
    parts += [chunk(part(index, {}, "stop")) for index in ends]
    deltas, failure = decoded(4, sse(*parts))
    assert failure is None
    assert isinstance(deltas[-1], Finish)
    for index, own in told(deltas).items():
        alone = [chunk(part(0, {"content": text})) for at, text in said if at == index]
        expected, _ = decoded(1, sse(*alone, chunk(part(0, {}, "stop"))))
        assert own == expected


def test_an_answer_is_the_first_choice_and_as_large_as_all() -> None:
    answer = Answer()
    answer.take((TextDelta("ab"), OfChoice(1, TextDelta("cde")), OfChoice(1, STOP)))
    assert (answer.entry().text, answer.size, answer.reason) == ("ab", 5, None)


def test_several_choices_are_asked_for_by_their_number_and_one_is_not() -> None:
    def body(choices: int) -> Json:
        prompt = Prompt("m", (UserEntry("Hi"),), sampling=Sampling(choices=choices))
        found: Json = msgspec.json.decode(encode_prompt(prompt, Destination("local")))
        return found

    assert body(3)["n"] == 3
    assert "n" not in body(1)
