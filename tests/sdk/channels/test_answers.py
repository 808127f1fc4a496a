"""Whatever API the upstream speaks, a client of OpenAI's gets the same answers."""

import base64
import json

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.sdk.channels.vendors import Ask, Vendor
from tests.sdk.conftest import Gateway
from tests.upstreams.cues import cue, echo
from tests.upstreams.speech import Message, Tokens
from tests.upstreams.upstream import Upstream

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

TEXTS = [
    pytest.param("👩‍👩‍👧‍👦 🏴󠁧󠁢󠁳󠁣󠁴󠁿 👋🏽", id="joined-emoji"),
    pytest.param("a\u2028b\u2029c\u0085d \x1ce", id="line-separators"),
    pytest.param("né \u0301 \u200b\ufeff𝒳 ﷽ 漢字 שלום", id="scripts"),
    pytest.param('quo"te \\u00e9 back\\slash \\ud83d', id="escapes"),
    pytest.param("data: [DONE]\n\ndata: {}\r\n: comment\n{}", id="framing-in-the-text"),
    pytest.param("  leading, double  and trailing \n", id="spaces"),
]


def test_an_answer_is_what_the_model_says(client: OpenAI, model: str, ask: Ask) -> None:
    answer = ask(client, model, "hello there")
    assert answer.text == echo("hello there")
    assert answer.finish == "stop"
    assert answer.reasoning == answer.refusal == ""
    assert answer.calls == ()


@pytest.mark.parametrize("text", TEXTS)
def test_no_character_is_lost(client: OpenAI, model: str, ask: Ask, text: str) -> None:
    """The upstream sends a few bytes at a time, so that characters come in two reads."""
    assert ask(client, f"{model}+shred", cue(text)).text == text


def test_system_messages_reach_the_model(
    client: OpenAI, vendors: Upstream, model: str, ask: Ask
) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Speak in rhymes."},
        {"role": "developer", "content": [{"type": "text", "text": "Never shout."}]},
        {"role": "user", "content": "hello"},
    ]
    ask(client, model, messages)
    assert vendors.last.system == "Speak in rhymes.\n\nNever shout."
    assert vendors.last.said == [("user", "hello")]


def test_an_agents_instructions_come_before_them(
    client: OpenAI, vendors: Upstream, vendor: Vendor, ask: Ask
) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Never shout."},
        {"role": "user", "content": "hello"},
    ]
    assert ask(client, f"openclaw:{vendor.id}", messages).text == echo("hello")
    assert vendors.last.system == "You are brief.\n\nNever shout."
    assert vendors.last.model == vendor.model


def test_a_session_remembers(
    client: OpenAI, vendors: Upstream, model: str, ask: Ask, fresh: str
) -> None:
    in_session = {"extra_headers": {"x-openclaw-session-key": fresh}}
    for nth, text in enumerate(["one", "two", "three"], 1):
        assert ask(client, model, text, **in_session).text == echo(text, nth)
    assert vendors.last.said == [
        ("user", "one"),
        ("assistant", echo("one", 1)),
        ("user", "two"),
        ("assistant", echo("two", 2)),
        ("user", "three"),
    ]


def test_a_conversation_that_is_sent_again_is_not_doubled(
    client: OpenAI, vendors: Upstream, model: str, ask: Ask, fresh: str
) -> None:
    messages: list[ChatCompletionMessageParam] = []
    for text in ("one", "two", "three"):
        messages.append({"role": "user", "content": text})
        answer = ask(client, model, messages, user=fresh)
        messages.append(answer.message)
    assert vendors.last.said == [
        (message["role"], message.get("content")) for message in messages[:-1]
    ]


def test_a_session_goes_on_with_another_vendor(
    client: OpenAI, vendors: Upstream, ask: Ask, fresh: str
) -> None:
    answers = [
        ask(client, model, cue("yes", think="hm", call=[]), user=fresh, reasoning_effort="high")
        for model in ("anthropic/claude-sonnet-4-20250514", "ollama/llama3", "openai/gpt-4o")
    ]
    assert [answer.text for answer in answers] == ["yes"] * 3
    roles = [role for role, _ in vendors.last.said]
    assert roles == ["user", "assistant", "user", "assistant", "user"]


def test_an_image_reaches_the_model(
    client: OpenAI, vendors: Upstream, model: str, ask: Ask
) -> None:
    url = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
    messages: list[ChatCompletionMessageParam] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": url}},
            ],
        }
    ]
    assert ask(client, model, messages).text == echo("What is this?")
    assert vendors.last.messages == (Message("user", "What is this?", (PIXEL,)),)


def test_a_cut_at_the_limit_is_told(client: OpenAI, model: str, ask: Ask) -> None:
    answer = ask(client, model, cue("and so it", stop="length"), max_tokens=3)
    assert (answer.text, answer.finish) == ("and so it", "length")


def test_a_filtered_answer_is_told(client: OpenAI, vendor: Vendor, model: str, ask: Ask) -> None:
    answer = ask(client, model, cue("I had", stop="filtered"))
    wanted = "content_filter" if "filtered" in vendor.says else "stop"
    assert (answer.text, answer.finish) == ("I had", wanted)


def test_a_refusal_is_told_apart_where_the_vendor_does(
    client: OpenAI, vendor: Vendor, model: str, ask: Ask
) -> None:
    answer = ask(client, model, cue(refuse="I must not."))
    apart = "refusal" in vendor.says
    assert (answer.refusal, answer.text) == (("I must not.", "") if apart else ("", "I must not."))
    assert answer.finish == "stop"


def test_the_usage_is_the_vendors(client: OpenAI, vendor: Vendor, model: str, ask: Ask) -> None:
    tokens = Tokens(prompt=50, completion=21, cached=30, written=5, reasoning=8)
    usage = ask(client, model, cue("yes", tokens=tokens)).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (50, 21, 71)
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    cached = usage.prompt_tokens_details.cached_tokens
    reasoning = usage.completion_tokens_details.reasoning_tokens
    assert cached == (30 if "cached" in vendor.says else 0)
    assert reasoning == (8 if "reasoning" in vendor.says else 0)


def test_a_stream_has_its_usage_only_where_it_is_asked_for(client: OpenAI, model: str) -> None:
    with client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "hello"}], stream=True
    ) as stream:
        assert all("usage" not in chunk.model_fields_set for chunk in stream)


def test_thinking_comes_as_reasoning_content(client: OpenAI, model: str, ask: Ask) -> None:
    asked = cue("Forty-two.", think="Six by nine, in base thirteen.")
    answer = ask(client, model, asked, reasoning_effort="high")
    assert answer.reasoning == "Six by nine, in base thirteen."
    assert answer.text == "Forty-two."


def test_a_schema_is_followed(client: OpenAI, vendors: Upstream, model: str, ask: Ask) -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "degrees": {"type": "integer"},
            "sky": {"type": "string", "enum": ["clear", "grey"]},
        },
        "required": ["city", "degrees", "sky"],
        "additionalProperties": False,
    }
    format_ = {"name": "weather", "schema": schema, "strict": True}
    wanted = {"type": "json_schema", "json_schema": format_}
    answer = ask(client, model, "How is it?", response_format=wanted)
    assert json.loads(answer.text) == {"city": "text", "degrees": 1, "sky": "clear"}
    assert vendors.last.schema == schema


def test_who_answered_and_at_what_cost_stands_in_the_headers_and_in_the_log(
    gateway: Gateway, client: OpenAI, vendor: Vendor, model: str, fresh: str
) -> None:
    asked = cue("yes", tokens=Tokens(prompt=1000, completion=500))
    raw = client.chat.completions.with_raw_response.create(
        model=model,
        messages=[{"role": "user", "content": asked}],
        extra_headers={"x-request-id": fresh},
    )
    assert raw.headers["x-greenroom-provider"] == vendor.id
    assert raw.headers["x-greenroom-model"] == model
    assert raw.headers["x-greenroom-attempt"] == "1"
    assert raw.headers["x-greenroom-cost"] == "0.004"
    line = gateway.ended_request(request_id=fresh)
    assert (line["model"], line["attempt"], line["cost"]) == (model, 1, 0.004)


def test_several_answers_are_given_by_the_api_that_has_them_and_refused_by_name_elsewhere(
    client: OpenAI, vendor: Vendor, model: str
) -> None:
    def answers() -> list[str | None]:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
        whole = client.chat.completions.create(model=model, messages=messages, n=2)
        with client.chat.completions.stream(model=model, messages=messages, n=2) as stream:
            streamed = stream.get_final_completion()
        return [choice.message.content for choice in (*whole.choices, *streamed.choices)]

    if vendor.id == "openai":
        assert answers() == [echo("hello")] * 4
        return
    with pytest.raises(openai.BadRequestError) as caught:
        answers()
    assert caught.value.param == "n"
