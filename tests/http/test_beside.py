"""Rules of what goes out beside a text: further choices, likelihoods, citations, sound, stamps."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import (
    AnnotationsDelta,
    AudioDelta,
    Deltas,
    Finish,
    FinishReason,
    LogprobsDelta,
    OfChoice,
    RefusalDelta,
    Stamp,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.turn import Route, Served, TurnEnded, TurnStarted
from greenroom.http.completion import CompletionBuilder
from greenroom.http.translate import ChunkEncoder
from tests.conftest import PlayedChannel
from tests.http.conftest import Site, chat, chunks_of

STARTED = TurnStarted("1", Served(Route("p", "m"), 1), "openclaw", 7)
STOP = TurnEnded(FinishReason.STOP, Usage(3, 5))


def streamed(*batches: Deltas) -> list[Any]:
    encoder = ChunkEncoder(include_usage=False)
    encoder.start(STARTED)
    return chunks_of(b"".join([*map(encoder.progress, batches), encoder.end(STOP)]))


def whole(*batches: Deltas) -> Any:
    builder = CompletionBuilder()
    for batch in batches:
        builder.progress(batch)
    return json.loads(builder.end(STARTED, STOP))


def told(chunks: list[Any], index: int = 0) -> list[tuple[Any, Any, Any]]:
    """Delta, likelihoods and finish reason of a choice's chunks."""
    choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    return [
        (choice["delta"], choice["logprobs"], choice["finish_reason"])
        for choice in choices
        if choice["index"] == index
    ]


# Choices

SEVERAL: Deltas = (
    OfChoice(1, TextDelta("B")),
    TextDelta("A"),
    OfChoice(2, ToolCallStart(0, "c", "look")),
    OfChoice(2, ToolCallArguments(0, "{}")),
    OfChoice(1, TextDelta("b")),
    OfChoice(1, Finish(FinishReason.LENGTH)),
    OfChoice(2, Finish(FinishReason.TOOL_CALLS)),
)
ROLE = {"role": "assistant", "content": ""}


def test_each_choice_of_a_stream_has_a_role_and_a_finish_of_its_own() -> None:
    chunks = streamed(SEVERAL)
    assert [chunk["choices"][0]["index"] for chunk in chunks] == [1, 1, 0, 0, 2, 2, 2, 1, 1, 2, 0]
    assert told(chunks, 0) == [
        (ROLE, None, None),
        ({"content": "A"}, None, None),
        ({}, None, "stop"),
    ]
    assert told(chunks, 1) == [
        (ROLE, None, None),
        ({"content": "B"}, None, None),
        ({"content": "b"}, None, None),
        ({}, None, "length"),
    ]
    assert told(chunks, 2)[0] == ({"role": "assistant", "content": None}, None, None)
    assert told(chunks, 2)[-1] == ({}, None, "tool_calls")


def test_a_whole_answer_has_its_choices_in_order() -> None:
    choices = whole(SEVERAL)["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert [choice["finish_reason"] for choice in choices] == ["stop", "length", "tool_calls"]
    assert [choice["message"]["content"] for choice in choices] == ["A", "Bb", None]
    assert choices[2]["message"]["tool_calls"][0]["id"] == "c"


async def test_choices_go_from_the_model_to_the_client() -> None:
    channel = PlayedChannel([SEVERAL, (Finish(FinishReason.STOP), Usage(1, 1))])
    async with Site(channel) as site:
        answer = await site.post(chat(n=3))
        chunks = (await site.post(chat(n=3, stream=True))).chunks()
    assert [c["message"]["content"] for c in answer.json()["choices"]] == ["A", "Bb", None]
    assert sorted({chunk["choices"][0]["index"] for chunk in chunks}) == [0, 1, 2]
    assert channel.prompts[0].sampling.choices == 3


@pytest.mark.parametrize("field", [{"n": 2}, {"logprobs": True}, {"modalities": ["text", "audio"]}])
async def test_what_a_script_cannot_give_is_refused_by_name(field: dict[str, Any]) -> None:
    async with Site() as site:
        answer = await site.post(chat(**field))
    assert (answer.status, answer.error()["param"]) == (400, next(iter(field)))


# Likelihoods

ONE, TWO = b'[{"token":"a"}]', b'[{"token":"b"},{"token":"c"}]'


def test_likelihoods_stand_in_the_chunk_of_their_text() -> None:
    chunks = streamed((LogprobsDelta(ONE), TextDelta("a")), (TextDelta("bc"),))
    assert told(chunks) == [
        (ROLE, None, None),
        ({"content": "a"}, {"content": [{"token": "a"}], "refusal": None}, None),
        ({"content": "bc"}, None, None),
        ({}, None, "stop"),
    ]


def test_likelihoods_without_a_text_wait_for_what_comes_next() -> None:
    chunks = streamed((LogprobsDelta(ONE),), (LogprobsDelta(TWO),))
    tokens = [{"token": "a"}, {"token": "b"}, {"token": "c"}]
    assert told(chunks)[-1] == ({}, {"content": tokens, "refusal": None}, "stop")


def test_a_whole_answer_has_all_of_them() -> None:
    batch: Deltas = (
        LogprobsDelta(ONE),
        TextDelta("a"),
        LogprobsDelta(TWO),
        LogprobsDelta(ONE, refusal=True),
        RefusalDelta("a"),
        OfChoice(1, TextDelta("x")),
        OfChoice(1, Finish(FinishReason.STOP)),
    )
    first, second = whole(batch)["choices"]
    assert first["logprobs"] == {
        "content": [{"token": "a"}, {"token": "b"}, {"token": "c"}],
        "refusal": [{"token": "a"}],
    }
    assert second["logprobs"] is None


@given(st.lists(st.integers(1, 3)))
def test_however_it_was_batched_a_stream_has_the_same_events(sizes: list[int]) -> None:
    deltas: Deltas = (
        Stamp("fp"),
        LogprobsDelta(ONE),
        OfChoice(1, TextDelta("x")),
        TextDelta("a"),
        LogprobsDelta(TWO),
        OfChoice(1, LogprobsDelta(ONE)),
        OfChoice(1, Finish(FinishReason.STOP)),
        Stamp("fp", "flex"),
        AudioDelta("i"),
    )
    batches: list[Deltas] = []
    left = deltas
    for size in sizes:
        batches.append(left[:size])
        left = left[size:]
    assert streamed(*batches, left) == streamed(deltas)
    assert whole(*batches, left) == whole(deltas)


# Citations


def test_citations_are_a_part_of_the_message() -> None:
    batch: Deltas = (TextDelta("a"), AnnotationsDelta(b'[{"x":1}]'), AnnotationsDelta(b'[{"y":2}]'))
    assert whole(batch)["choices"][0]["message"]["annotations"] == [{"x": 1}, {"y": 2}]
    deltas = [delta for delta, _, _ in told(streamed(batch))]
    assert deltas[2:4] == [{"annotations": [{"x": 1}]}, {"annotations": [{"y": 2}]}]


# Sound


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


SOUND: Deltas = (
    AudioDelta("audio_1", transcript="Hel"),
    AudioDelta(data=b64(b"12345")),
    AudioDelta(data=b64(b"6789"), transcript="lo"),
    AudioDelta(expires=99),
)


def test_sound_is_streamed_as_it_comes() -> None:
    deltas = [delta for delta, _, _ in told(streamed(SOUND))]
    assert deltas == [
        {"role": "assistant", "content": None},
        {"audio": {"id": "audio_1", "transcript": "Hel"}},
        {"audio": {"data": b64(b"12345")}},
        {"audio": {"data": b64(b"6789"), "transcript": "lo"}},
        {"audio": {"expires_at": 99}},
        {},
    ]


def test_a_whole_sound_is_one_base64_and_the_text_is_its_transcript() -> None:
    message = whole(SOUND)["choices"][0]["message"]
    assert message["content"] is None
    assert message["audio"] == {
        "id": "audio_1",
        "data": b64(b"123456789"),
        "transcript": "Hello",
        "expires_at": 99,
    }


async def test_speech_stays_in_a_session_as_its_transcript() -> None:
    end: Deltas = (Finish(FinishReason.STOP),)
    channel = PlayedChannel([SOUND, end], [(TextDelta("Yes."),), end])
    key = {"x-openclaw-session-key": "k"}
    async with Site(channel) as site:
        await site.post(chat("Hi", modalities=["text", "audio"]), headers=key)
        again = [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "audio": {"id": "audio_1"}},
            {"role": "user", "content": "And?"},
        ]
        answer = await site.post({"model": "openclaw", "messages": again}, headers=key)
        assert answer.status == 200
        shown = (await site.get("/v1/sessions/k/transcript")).json()["data"]
    assert [entry["message"]["content"] for entry in shown] == ["Hi", "Hello", "And?", "Yes."]


# Who says it


def test_a_stamp_is_on_every_chunk_from_then_on() -> None:
    chunks = streamed(
        (Stamp("fp", "default"), TextDelta("a")), (Stamp("fp", "flex"), TextDelta("b"))
    )
    assert [(c["system_fingerprint"], c["service_tier"]) for c in chunks] == [
        ("fp", "default"), ("fp", "default"), ("fp", "flex"), ("fp", "flex"),
    ]  # fmt: skip
    answer = whole((Stamp("fp", "default"), TextDelta("a"), Stamp("fp", "flex")))
    assert (answer["system_fingerprint"], answer["service_tier"]) == ("fp", "flex")


def test_without_a_stamp_there_is_no_word_of_it() -> None:
    for said in (*streamed((TextDelta("a"),)), whole((TextDelta("a"),))):
        assert not {"system_fingerprint", "service_tier"} & set(said)
