"""The synchronous Python SDK gets every kind of answer whole, from both kinds of provider."""

import pytest
from openai import OpenAI

from tests.sdk.conftest import Gateway, reply, request_id_of, tell

UNICODE = [
    pytest.param("👩‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿", id="joined-emoji"),
    pytest.param("a\u2028b\u2029c\u0085d\x1ce", id="line-separators"),
    pytest.param("né \u0301 \u200b\ufeff𝒳 ﷽ 漢字", id="scripts"),
    pytest.param('quo"te \\u00e9 back\\slash \\ud83d', id="escapes"),
    pytest.param("data: [DONE]\n\ndata: {}\r\n: comment", id="sse-in-the-text"),
    pytest.param("nul \x00 del \x7f", id="controls"),
]


def streamed(client: OpenAI, text: str, model: str) -> str:
    pieces: list[str] = []
    with client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], stream=True
    ) as stream:
        for chunk in stream:
            pieces += [choice.delta.content or "" for choice in chunk.choices]
    return "".join(pieces)


def test_a_whole_answer_has_all_that_the_api_requires(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "hello there"}]
    )
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == model
    assert answer.created > 1_700_000_000
    [choice] = answer.choices
    assert choice.index == 0
    assert choice.finish_reason == "stop"
    assert choice.logprobs is None
    assert choice.message.role == "assistant"
    assert choice.message.content == reply("hello there", "1st")
    assert choice.message.refusal is None
    assert choice.message.tool_calls is None
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 2
    assert answer.usage.completion_tokens == 12
    assert answer.usage.total_tokens == 14


def test_a_stream_is_role_then_words_then_finish(client: OpenAI, model: str) -> None:
    with client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "hello"}], stream=True
    ) as stream:
        chunks = list(stream)
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0].model == model
    assert {len(chunk.choices) for chunk in chunks} == {1}
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant"] + [None] * (
        len(chunks) - 1
    )
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + [
        "stop"
    ]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == reply(
        "hello", "1st"
    )
    assert all(chunk.usage is None for chunk in chunks)
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)


def test_the_stream_helper_ends_with_the_same_answer(client: OpenAI, model: str) -> None:
    with client.chat.completions.stream(
        model=model, messages=[{"role": "user", "content": "hello"}]
    ) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    [choice] = final.choices
    assert choice.finish_reason == "stop"
    assert choice.message.role == "assistant"
    assert choice.message.content == "".join(pieces) == reply("hello", "1st")


def test_usage_comes_last_and_once_where_it_is_asked_for(client: OpenAI, model: str) -> None:
    with client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "[say one two three]"}],
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        chunks = list(stream)
    assert all("usage" in chunk.model_fields_set for chunk in chunks)
    assert [chunk.usage is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[-1].choices == []
    assert chunks[-2].choices[0].finish_reason == "stop"
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (4, 3, 7)


def test_the_stream_helper_keeps_the_usage(client: OpenAI, model: str) -> None:
    with client.chat.completions.stream(
        model=model,
        messages=[{"role": "user", "content": "[say one two]"}],
        stream_options={"include_usage": True},
    ) as stream:
        usage = stream.get_final_completion().usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (3, 2)


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
def test_the_finish_reason_is_the_models(client: OpenAI, model: str, reason: str) -> None:
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": f"[say some text] [finish {reason}]"}]
    )
    assert answer.choices[0].finish_reason == reason
    assert answer.choices[0].message.content == "some text"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_cuts_the_answer(client: OpenAI, model: str, name: str) -> None:
    limit: dict[str, int] = {name: 2}
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "[say one two three]"}],
        extra_body=limit,
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content == "one two"


def test_sampling_and_unknown_fields_are_taken(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model,
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": [{"type": "text", "text": "hello"}]},
        ],
        temperature=0.5,
        top_p=0.9,
        frequency_penalty=0,
        presence_penalty=0,
        seed=7,
        stop=["\n\n"],
        n=1,
        store=False,
        metadata={"purpose": "test"},
        extra_body={"top_k": 40, "chat_template_kwargs": {"enable_thinking": False}},
    )
    assert answer.choices[0].message.content == reply("hello", "1st")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 5


@pytest.mark.parametrize("text", UNICODE)
def test_text_arrives_as_it_was_sent(client: OpenAI, model: str, text: str) -> None:
    assert tell(client, text, model=model) == reply(text, "1st")


@pytest.mark.parametrize("text", UNICODE)
def test_text_is_streamed_as_it_was_sent(client: OpenAI, model: str, text: str) -> None:
    assert streamed(client, text, model) == reply(text, "1st")


@pytest.mark.parametrize("text", ["é" * 500_000, "word " * 200_000], ids=["one-word", "many-words"])
def test_a_prompt_of_a_megabyte_arrives_whole(client: OpenAI, model: str, text: str) -> None:
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": f"{text} [say ok]"}]
    )
    assert answer.choices[0].message.content == "ok"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len(text.split()) + 2


def test_an_answer_of_a_megabyte_arrives_whole(client: OpenAI, model: str) -> None:
    text = "🙂" * 250_000
    assert tell(client, text, model=model) == reply(text, "1st")
    assert streamed(client, text, model) == reply(text, "1st")


def test_a_long_stream_arrives_whole(client: OpenAI, model: str) -> None:
    words = " ".join(f"word-{i}" for i in range(3_000))
    assert streamed(client, f"[say {words}]", model) == words


def test_an_answer_tells_its_request_and_where_it_came_from(
    gateway: Gateway, client: OpenAI, model: str, fresh: str
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": "hello"}], user=fresh
    )
    answer = raw.parse()
    assert raw.status_code == 200
    assert raw.headers["content-type"] == "application/json; charset=utf-8"
    assert raw.headers["x-content-type-options"] == "nosniff"
    assert raw.headers["referrer-policy"] == "no-referrer"
    assert raw.headers["x-greenroom-agent"] == "main"
    assert raw.headers["x-greenroom-session-key"] == f"agent:main:openai-user:{fresh}"
    route = "scripted/demo" if model == "openclaw:main" else model
    assert raw.headers["x-greenroom-model"] == route
    assert request_id_of(answer) == raw.headers["x-request-id"] == raw.request_id
    line = gateway.ended_request(request_id=raw.request_id)
    assert line["status"] == 200
    assert line["whole"] is True
    assert line["session"] == f"agent:main:openai-user:{fresh}"
    assert line["model"] == route
    assert "hello" not in str(line)


def test_a_stream_is_announced_as_one(client: OpenAI, model: str) -> None:
    with client.chat.completions.with_streaming_response.create(
        model=model, messages=[{"role": "user", "content": "hello"}], stream=True
    ) as raw:
        assert raw.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert raw.headers["cache-control"] == "no-cache"
        assert "content-length" not in raw.headers
        assert "content-encoding" not in raw.headers
        assert raw.headers["x-request-id"]
        body = raw.read().decode()
    events = body.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(event.startswith(("data: {", ": ")) for event in events[:-2])


def test_a_callers_own_request_id_is_kept(client: OpenAI, fresh: str) -> None:
    answer = client.chat.completions.create(
        model="openclaw",
        messages=[{"role": "user", "content": "hello"}],
        extra_headers={"x-request-id": fresh},
    )
    assert request_id_of(answer) == fresh
