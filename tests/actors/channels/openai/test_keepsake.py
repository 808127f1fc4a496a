"""A model's thinking goes back with the calls that it led to, to whom it is of use and to nobody else."""

from collections.abc import Mapping

import msgspec
import pytest

from greenroom.actors.answer import Answer
from greenroom.actors.channels.channel import Delta
from greenroom.actors.channels.openai.adapter import OpenAIAdapter
from greenroom.actors.channels.openai.dialects import dialect_of
from greenroom.actors.channels.openai.keepsake import told_by_client
from greenroom.actors.channels.openai.reply import OpenAIDecoder
from greenroom.actors.channels.openai.request import Destination, encode_prompt
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.entries import AssistantEntry, Keepsake, Prompt, ToolCall
from greenroom.actors.settings import ProviderSettings
from tests.actors.channels.conftest import Json, chunk, sse

CALLS = chunk({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}, "stop")
CALL = (ToolCall("a", "f", "{}"),)

DEEPSEEK = "https://api.deepseek.com"
KIMI = "https://api.moonshot.ai/v1"
VLLM = "http://127.0.0.1:8000/v1"


def deltas_of(*chunks: Json, provider: str = "here") -> list[Delta]:
    decoder = OpenAIDecoder(UpstreamErrors(provider), provider=provider)
    return [*decoder.feed(sse(*chunks)), *decoder.end()]


def kept(*deltas: Mapping[str, object], then: Json = CALLS) -> Keepsake | None:
    """Return what is kept of an answer with these deltas."""
    found = deltas_of(*(chunk(dict(delta)) for delta in deltas), then)
    keepsakes = [delta for delta in found if isinstance(delta, Keepsake)]
    assert len(keepsakes) <= 1
    return keepsakes[0] if keepsakes else None


def fields_of(
    keepsake: Keepsake | None, base_url: str, provider: str = "here", model: str = "m"
) -> Json:
    """Return what goes out with an answer beside its role, content and calls."""
    to = Destination(provider, dialect_of(base_url))
    entries = (AssistantEntry(None, CALL, keepsake=keepsake),)
    (message,) = msgspec.json.decode(encode_prompt(Prompt(model, entries), to))["messages"]
    assert message["tool_calls"]
    return {k: v for k, v in message.items() if k not in {"role", "content", "tool_calls"}}


THOUGHT = kept({"reasoning_content": "h"}, {"reasoning_content": "m"})


def test_what_was_thought_before_calls_is_kept_just_before_the_end() -> None:
    deltas = deltas_of(chunk({"reasoning_content": "hm"}), CALLS)
    assert isinstance(deltas[-2], Keepsake)
    assert (deltas[-2].api, msgspec.json.decode(deltas[-2].data)) == (
        "openai-completions",
        {"provider": "here", "reasoning_content": "hm"},
    )


@pytest.mark.parametrize(
    ("delta", "then"),
    [
        ({"reasoning_content": "hm"}, chunk({"content": "Hi"}, "stop")),
        ({"reasoning_content": ""}, CALLS),
        ({"reasoning_content": None}, CALLS),
        ({"reasoning": "hm"}, CALLS),
        ({"reasoning_details": []}, CALLS),
        ({"content": "<think>hm</think>"}, CALLS),
    ],
)
def test_nothing_else_is_kept(delta: Json, then: Json) -> None:
    assert kept(delta, then=then) is None


def test_it_goes_back_to_the_provider_that_it_came_from() -> None:
    assert fields_of(THOUGHT, VLLM) == {"reasoning_content": "hm"}
    assert fields_of(THOUGHT, VLLM, provider="elsewhere") == {}


def test_an_adapter_gives_back_what_its_own_decoder_kept() -> None:
    adapter = OpenAIAdapter(ProviderSettings("here", "openai-completions", VLLM))
    answer = Answer()
    decoder = adapter.decoder(Prompt("m", ()))
    answer.take(decoder.feed(sse(chunk({"reasoning_content": "hm"}), CALLS)))
    answer.take(decoder.end())
    body = adapter.request(Prompt("m", (answer.entry(),))).body
    assert msgspec.json.decode(body)["messages"][0]["reasoning_content"] == "hm"


def test_a_strict_server_gets_none_of_it() -> None:
    assert fields_of(THOUGHT, "https://api.mistral.ai/v1") == {}


@pytest.mark.parametrize(("base_url", "model"), [(DEEPSEEK, "deepseek-chat"), (KIMI, "kimi-k2.6")])
def test_one_that_insists_gets_the_text_whoever_wrote_it(base_url: str, model: str) -> None:
    def sent(keepsake: Keepsake | None) -> Json:
        return fields_of(keepsake, base_url, "elsewhere", model)

    assert sent(THOUGHT) == {"reasoning_content": "hm"}
    assert sent(told_by_client("so")) == {"reasoning_content": "so"}
    assert sent(None) == {"reasoning_content": ""}
    assert sent(Keepsake("ollama", b'{"thinking":"hm"}')) == {"reasoning_content": ""}


def test_it_insists_on_every_answer_of_the_history() -> None:
    to = Destination("deepseek", dialect_of(DEEPSEEK))
    entries = (AssistantEntry("Hi"), AssistantEntry("Once", interrupted=True), AssistantEntry(""))
    messages = msgspec.json.decode(encode_prompt(Prompt("m", entries), to))["messages"]
    assert [message["reasoning_content"] for message in messages] == ["", ""]


def test_not_all_models_of_a_server_insist() -> None:
    assert fields_of(None, KIMI, model="moonshot-v1-8k") == {}


@pytest.mark.parametrize("base_url", [VLLM, "https://api.openai.com/v1", "https://xdeepseek.com"])
def test_what_a_client_says_goes_nowhere_else(base_url: str) -> None:
    assert fields_of(told_by_client("so"), base_url) == {}


def test_details_are_put_together_and_go_back_as_they_were() -> None:
    details: list[Json] = [
        {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1", "text": "h"},
        {"type": "reasoning.text", "index": 0, "text": "m", "signature": None},
        {"type": "reasoning.text", "index": 0, "text": "", "signature": "c2ln"},
        {"type": "reasoning.encrypted", "index": 1, "id": "r1", "data": "abc"},
    ]
    keepsake = kept(*({"reasoning": "x", "reasoning_details": [detail]} for detail in details))
    assert fields_of(keepsake, "https://openrouter.ai/api/v1") == {
        "reasoning_details": [
            {
                "type": "reasoning.text",
                "index": 0,
                "format": "anthropic-claude-v1",
                "signature": "c2ln",
                "text": "hm",
            },
            {"type": "reasoning.encrypted", "index": 1, "id": "r1", "data": "abc"},
        ]
    }


def test_details_without_an_index_stay_apart() -> None:
    detail = {"type": "reasoning.text", "text": "h"}
    keepsake = kept({"reasoning_details": [detail, detail]})
    assert fields_of(keepsake, VLLM) == {"reasoning_details": [detail, detail]}


def test_odd_details_cost_nothing() -> None:
    odd: list[object] = [5, {}, {"index": 0, "text": 5, "deep": [[1]]}, None]
    keepsake = kept({"reasoning_details": odd}, {"reasoning_details": "x"})
    assert fields_of(keepsake, VLLM) == {"reasoning_details": [{"index": 0, "text": 5}]}


def test_more_than_the_bound_is_not_kept() -> None:
    assert kept(*[{"reasoning_content": "x" * (1 << 20)}] * 9) is None
    details = [{"type": "t", "text": "x"}] * 1000
    assert kept(*[{"reasoning_details": details}] * 5) is None
