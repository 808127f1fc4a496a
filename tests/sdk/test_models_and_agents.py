"""The models list, and every way to say which agent and which model answers."""

import openai
import pytest
from openai import OpenAI

from tests.sdk.conftest import THROUGH_UPSTREAM, reply, request_id_of

AGENTS = ["openclaw", "openclaw/default", "openclaw/main", "openclaw/beta"]


def test_the_list_has_the_agents_then_the_models(client: OpenAI) -> None:
    models = client.models.list().data
    assert [model.id for model in models] == [
        *AGENTS,
        "scripted/demo",
        "scripted/other",
        "upstream/far",
    ]
    assert {model.object for model in models} == {"model"}
    assert [model.owned_by for model in models] == ["openclaw"] * 4 + [
        "scripted",
        "scripted",
        "upstream",
    ]
    assert all(model.created > 1_700_000_000 for model in models)


@pytest.mark.parametrize("name", [*AGENTS, "openclaw:main", "agent:beta", "upstream/far"])
def test_what_can_be_named_can_be_retrieved(client: OpenAI, name: str) -> None:
    model = client.models.retrieve(name)
    assert model.id == name
    assert request_id_of(model)


@pytest.mark.parametrize("name", ["no-such-model", "openclaw:nobody", "openclaw/nobody", "a/b/c"])
def test_what_does_not_exist_is_not_found(client: OpenAI, name: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve(name)
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
    assert caught.value.type == "invalid_request_error"
    assert name in caught.value.message


@pytest.mark.parametrize(
    ("model", "headers", "agent", "route"),
    [
        ("openclaw", {}, "main", "scripted/demo"),
        ("openclaw/default", {}, "main", "scripted/demo"),
        ("openclaw:default", {}, "main", "scripted/demo"),
        ("openclaw/beta", {}, "beta", "scripted/other"),
        ("openclaw:beta", {}, "beta", "scripted/other"),
        ("OpenClaw:BETA", {}, "beta", "scripted/other"),
        ("agent:beta", {}, "beta", "scripted/other"),
        ("demo", {}, "main", "scripted/demo"),
        ("other", {}, "main", "scripted/other"),
        ("scripted/unlisted", {}, "main", "scripted/unlisted"),
        (THROUGH_UPSTREAM, {}, "main", THROUGH_UPSTREAM),
        ("upstream/openclaw:beta", {}, "main", "upstream/openclaw:beta"),
        ("openclaw", {"x-openclaw-agent-id": "beta"}, "beta", "scripted/other"),
        ("openclaw", {"x-openclaw-agent": "Beta"}, "beta", "scripted/other"),
        ("openclaw:main", {"x-openclaw-agent-id": "beta"}, "beta", "scripted/other"),
        ("demo", {"x-openclaw-agent-id": "beta"}, "beta", "scripted/demo"),
        ("openclaw", {"x-openclaw-model": "other"}, "main", "scripted/other"),
        ("openclaw:beta", {"x-openclaw-model": THROUGH_UPSTREAM}, "beta", THROUGH_UPSTREAM),
        ("openclaw", {"x-openclaw-session-key": "agent:beta:key"}, "beta", "scripted/other"),
    ],
)
def test_a_request_reaches_its_agent_and_model(
    client: OpenAI, model: str, headers: dict[str, str], agent: str, route: str
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=model,
        messages=[{"role": "user", "content": "hello [say ok]"}],
        extra_headers=headers,
    )
    answer = raw.parse()
    assert raw.headers["x-greenroom-agent"] == agent
    assert raw.headers["x-greenroom-model"] == route
    assert answer.model == model
    assert answer.choices[0].message.content == "ok"


@pytest.mark.parametrize("model", ["openclaw:beta", "upstream/openclaw:beta"])
def test_an_agents_instructions_are_told_first(client: OpenAI, model: str) -> None:
    """The scripted model counts the words of its prompt."""
    answer = client.chat.completions.create(
        model=model,
        messages=[
            {"role": "system", "content": "Two words."},
            {"role": "user", "content": "hello"},
        ],
    )
    assert answer.choices[0].message.content == reply("hello", "1st")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 5 + 2 + 1
