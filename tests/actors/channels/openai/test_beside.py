"""Rules of what stands beside an answer's text: likelihoods, citations, sound, and who says it."""

import itertools
from functools import partial

import msgspec
import pytest

from greenroom.actors.answer import Answer
from greenroom.actors.channels.channel import (
    AnnotationsDelta,
    AudioDelta,
    Finish,
    FinishReason,
    LogprobsDelta,
    RefusalDelta,
    Stamp,
    TextDelta,
    Usage,
)
from greenroom.actors.channels.openai.reply import OpenAIDecoder
from greenroom.actors.channels.openai.request import Destination, encode_prompt
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.entries import AssistantEntry, Prompt, Sampling, Speech, UserEntry
from tests.actors.channels.conftest import (
    Json,
    Outcome,
    chunk,
    outcome_of,
    said,
    same_wherever_cut,
    sse,
)

STOP = Finish(FinishReason.STOP)
END = chunk(finish="stop")
TOKEN: Json = {
    "token": "Hi",
    "logprob": -0.5,
    "bytes": [72, 105],
    "top_logprobs": [{"token": "Yo", "logprob": -1.5, "bytes": None}],
}


def decoded(tells: bool, *pieces: bytes) -> Outcome:
    ids = itertools.count()
    errors = UpstreamErrors("local")
    return outcome_of(OpenAIDecoder(errors, lambda: f"{next(ids)}", tells_logprobs=tells), pieces)


def decode(body: bytes, *, tells: bool = True) -> Outcome:
    return same_wherever_cut(partial(decoded, tells), body)


def likely(delta: Json, logprobs: object) -> Json:
    one = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": None}
    return {"choices": [one]}


# Likelihoods


def test_the_likelihood_of_tokens_stands_before_their_text() -> None:
    body = sse(likely({"content": "Hi"}, {"content": [TOKEN], "refusal": None}), END)
    deltas, failure = decode(body)
    assert failure is None
    assert deltas == [LogprobsDelta(msgspec.json.encode([TOKEN])), TextDelta("Hi"), STOP]


def test_a_refusals_likelihood_is_told_apart() -> None:
    deltas, _ = decode(sse(likely({"refusal": "No"}, {"content": None, "refusal": [TOKEN]}), END))
    assert deltas[:2] == [
        LogprobsDelta(msgspec.json.encode([TOKEN]), refusal=True),
        RefusalDelta("No"),
    ]


def test_what_nobody_asked_for_is_left_out() -> None:
    deltas, _ = decode(sse(likely({"content": "Hi"}, {"content": [TOKEN]}), END), tells=False)
    assert deltas == [TextDelta("Hi"), STOP]


ODD_LIKELIHOODS: list[object] = [
    None, [], {}, "x", {"content": []}, {"content": "x"}, {"content": [1, {}, None]},
    {"tokens": ["Hi"], "token_logprobs": [-0.5]},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD_LIKELIHOODS)
def test_an_odd_likelihood_never_costs_the_answer(odd: object) -> None:
    deltas, failure = decode(sse(likely({"content": "Hi"}, odd), END))
    assert (deltas, failure) == ([TextDelta("Hi"), STOP], None)


def test_what_a_server_leaves_out_of_a_token_is_null_or_empty() -> None:
    deltas, _ = decode(sse(likely({"content": "Hi"}, {"content": [{"token": "Hi"}]}), END))
    expected: list[Json] = [{"token": "Hi", "bytes": None, "top_logprobs": []}]
    assert deltas[0] == LogprobsDelta(msgspec.json.encode(expected))


@pytest.mark.parametrize(
    ("top", "expected"), [(None, {}), (0, {"logprobs": True}), (3, {"logprobs": True, "top_logprobs": 3})]
)  # fmt: skip
def test_likelihoods_are_asked_for_by_both_fields(top: int | None, expected: Json) -> None:
    prompt = Prompt("m", (UserEntry("Hi"),), sampling=Sampling(top_logprobs=top))
    body: Json = msgspec.json.decode(encode_prompt(prompt, Destination("local")))
    assert {name: body[name] for name in ("logprobs", "top_logprobs") if name in body} == expected


# Citations


def test_citations_go_through() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "http://h", "title": "T"}}
    body = sse(chunk({"content": "Hi"}), chunk({"annotations": [cited]}), END)
    deltas, _ = decode(body)
    assert deltas == [TextDelta("Hi"), AnnotationsDelta(msgspec.json.encode([cited])), STOP]


@pytest.mark.parametrize("odd", [None, [], "x", {}, [1, None]])
def test_odd_citations_never_cost_the_answer(odd: object) -> None:
    deltas, failure = decode(sse(chunk({"content": "Hi", "annotations": odd}), END))
    assert (deltas, failure) == ([TextDelta("Hi"), STOP], None)


# Sound

FORMAT = {"modalities": b'["text","audio"]'}


def test_sound_comes_in_fragments_with_its_transcript() -> None:
    body = sse(
        chunk({"audio": {"id": "audio_1", "transcript": "He"}}),
        chunk({"audio": {"data": "AAAA", "transcript": "llo"}}),
        chunk({"audio": {"expires_at": 99}}),
        END,
    )
    deltas, failure = decode(body)
    assert failure is None
    assert deltas == [
        AudioDelta(id="audio_1", transcript="He"),
        AudioDelta(data="AAAA", transcript="llo"),
        AudioDelta(expires=99),
        STOP,
    ]


@pytest.mark.parametrize("odd", [None, {}, "x", [], {"id": 4, "data": [], "expires_at": "x"}])
def test_odd_sound_never_costs_the_answer(odd: object) -> None:
    deltas, failure = decode(sse(chunk({"content": "Hi", "audio": odd}), END))
    assert (deltas, failure) == ([TextDelta("Hi"), STOP], None)


def test_what_is_kept_of_speech_is_its_transcript_and_its_name() -> None:
    answer = Answer()
    answer.take((AudioDelta("audio_1", "AAAA", "Hel"), AudioDelta(transcript="lo", expires=99)))
    assert answer.kept() == AssistantEntry("Hello", interrupted=True)
    answer.take((STOP,))
    assert answer.kept() == AssistantEntry("Hello", speech=Speech("audio_1", 99))
    assert answer.size == 9


@pytest.mark.parametrize(
    ("now", "expires", "expected"),
    [
        (98, 99, {"role": "assistant", "content": None, "audio": {"id": "audio_1"}}),
        (99, 99, {"role": "assistant", "content": "Hello"}),
        (98, None, {"role": "assistant", "content": None, "audio": {"id": "audio_1"}}),
    ],
)
def test_speech_goes_back_by_name_until_that_expires(
    now: float, expires: int | None, expected: Json
) -> None:
    entry = AssistantEntry("Hello", speech=Speech("audio_1", expires))
    prompt = Prompt("m", (entry, UserEntry("Hi")))
    body: Json = msgspec.json.decode(encode_prompt(prompt, Destination("local", now=now)))
    assert body["messages"][0] == expected  # type: ignore[index]


@pytest.mark.parametrize(
    ("audio", "streams"),
    [
        (b'{"format":"pcm16","voice":"alloy"}', True),
        (b'{"format":"wav","voice":"alloy"}', False),
        (b"null", False),
        (b"nonsense", False),
    ],
)
def test_sound_that_cannot_be_cut_is_asked_for_whole(audio: bytes, streams: bool) -> None:
    prompt = Prompt("m", (UserEntry("Hi"),), extra={"modalities": b'["text","audio"]'})
    if audio != b"nonsense":
        prompt = msgspec.structs.replace(prompt, extra=prompt.extra | {"audio": audio})
    body: Json = msgspec.json.decode(encode_prompt(prompt, Destination("local")))
    assert ("stream" in body) is streams
    assert ("stream_options" in body) is streams


# Who says it


def test_what_is_told_of_an_answer_stands_before_its_first_word() -> None:
    head = {"system_fingerprint": "fp_1", "service_tier": "default"}
    body = sse(chunk({"role": "assistant", "content": ""}, **head), *said("Hi"), END)
    deltas, _ = decode(body)
    assert deltas == [Stamp("fp_1", "default"), TextDelta("Hi"), STOP]


def test_a_tier_that_is_told_at_last_counts() -> None:
    body = sse(
        chunk({"content": "Hi"}, service_tier="auto", system_fingerprint=None),
        chunk(finish="stop", service_tier="flex", system_fingerprint="fp_1"),
    )
    deltas, _ = decode(body)
    assert deltas == [Stamp(None, "auto"), TextDelta("Hi"), Stamp("fp_1", "flex"), STOP]


def test_nothing_but_a_stamp_is_no_first_word() -> None:
    decoder = OpenAIDecoder(UpstreamErrors("local"))
    assert decoder.feed(sse(chunk({"content": ""}, service_tier="auto"), done=b"")) == ()


def test_all_counts_of_a_usage_are_read() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 2, "cache_write_tokens": 3},
        "completion_tokens_details": {
            "reasoning_tokens": 4,
            "audio_tokens": 5,
            "accepted_prediction_tokens": 6,
            "rejected_prediction_tokens": 7,
        },
    }
    deltas, _ = decode(sse(*said("Hi"), chunk(finish="stop", usage=usage)))
    assert deltas[-1] == Usage(10, 20, 1, 4, 3, 2, 5, 6, 7)
