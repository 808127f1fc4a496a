"""Rules of who answers, where: model forms, headers and session keys, by themselves and together."""

import pytest

from greenroom.actors.selection import Selection
from greenroom.http.checks import selection_of
from greenroom.http.errors import ApiError
from tests.http.conftest import closed_house, exchange_of

HOUSE = closed_house()

AGENT = "x-openclaw-agent-id"
ALIAS = "x-openclaw-agent"
KEY = "x-openclaw-session-key"
MODEL = "x-openclaw-model"


def selected(
    model: str, headers: dict[str, str] | None = None, user: str | None = None
) -> Selection:
    return selection_of(exchange_of(headers), HOUSE, model, user)


def refused(
    model: str, headers: dict[str, str] | None = None, user: str | None = None
) -> tuple[int, str | None, str | None]:
    with pytest.raises(ApiError) as caught:
        selected(model, headers, user)
    error = caught.value
    assert error.body.type == "invalid_request_error"
    return error.status, error.body.param, error.body.code


DEMO, ORG = "scripted/demo", "spare/org/m"


@pytest.mark.parametrize(
    ("model", "headers", "agent", "route"),
    [
        ("openclaw", {}, "main", DEMO),
        ("openclaw/default", {}, "main", DEMO),
        ("openclaw:default", {}, "main", DEMO),
        ("agent:default", {}, "main", DEMO),
        ("openclaw:main", {}, "main", DEMO),
        ("openclaw:beta", {}, "beta", ORG),
        ("openclaw/beta", {}, "beta", ORG),
        ("agent:beta", {}, "beta", ORG),
        ("OpenClaw:BETA", {}, "beta", ORG),
        ("AGENT:Beta", {}, "beta", ORG),
        (DEMO, {}, "main", DEMO),
        ("demo", {}, "main", DEMO),
        ("org/m", {}, "main", ORG),
        ("spare/demo", {}, "main", "spare/demo"),
        ("spare/new@1.2:x", {}, "main", "spare/new@1.2:x"),
        ("openclaw", {AGENT: "beta"}, "beta", ORG),
        ("openclaw", {ALIAS: "beta"}, "beta", ORG),
        ("openclaw", {AGENT: "main", ALIAS: "beta"}, "main", DEMO),
        ("openclaw", {AGENT: " Beta "}, "beta", ORG),
        ("openclaw", {AGENT: ""}, "main", DEMO),
        ("openclaw:main", {AGENT: "beta"}, "beta", ORG),
        ("demo", {AGENT: "beta"}, "beta", DEMO),
        ("openclaw", {MODEL: "org/m"}, "main", ORG),
        ("openclaw:beta", {MODEL: "demo"}, "beta", DEMO),
        ("gpt-unknown", {MODEL: "demo"}, "main", DEMO),
        ("openclaw", {KEY: "agent:beta:x"}, "beta", ORG),
        ("demo", {KEY: "agent:beta:x"}, "beta", DEMO),
        ("openclaw:beta", {KEY: "agent:BETA:x"}, "beta", ORG),
        ("openclaw", {KEY: "agent:stranger:x"}, "main", DEMO),
        ("openclaw", {KEY: "mine"}, "main", DEMO),
        ("openclaw", {KEY: "mine", AGENT: "beta"}, "beta", ORG),
    ],
)
def test_header_before_model_field_before_default(
    model: str, headers: dict[str, str], agent: str, route: str
) -> None:
    selection = selected(model, headers)
    assert (selection.agent, str(selection.route)) == (agent, route)


@pytest.mark.parametrize(
    ("headers", "user", "session"),
    [
        ({KEY: "mine"}, None, "mine"),
        ({KEY: "mine"}, "ann", "mine"),
        ({KEY: " mine "}, None, "mine"),
        ({KEY: "Mine Ünd"}, None, "Mine Ünd"),
        ({KEY: "100%25"}, None, "100%25"),
        ({KEY: "agent:main:x"}, None, "agent:main:x"),
        ({KEY: "k" * 512}, None, "k" * 512),
        ({}, "ann", "agent:main:openai-user:ann"),
        ({}, "Ann", "agent:main:openai-user:Ann"),
        ({}, "änn:1/2%", "agent:main:openai-user:änn:1/2%"),
        ({AGENT: "beta"}, "ann", "agent:beta:openai-user:ann"),
    ],
)
def test_a_sessions_key_is_the_header_as_given_then_the_user(
    headers: dict[str, str], user: str | None, session: str
) -> None:
    selection = selected("openclaw", headers, user)
    assert (selection.session, selection.ephemeral) == (session, False)


@pytest.mark.parametrize("headers", [{}, {KEY: ""}, {KEY: "  "}])
def test_without_a_key_every_call_has_a_session_of_its_own(headers: dict[str, str]) -> None:
    one, two = selected("openclaw:beta", headers), selected("openclaw:beta", headers)
    assert one.ephemeral
    assert one.session.startswith("agent:beta:openai:")
    assert one.session != two.session


@pytest.mark.parametrize(
    ("model", "headers", "told"),
    [
        ("openclaw:nobody", {}, (400, "model", "agent_not_found")),
        ("agent:nobody", {}, (400, "model", "agent_not_found")),
        ("openclaw", {AGENT: "nobody"}, (400, AGENT, "agent_not_found")),
        ("openclaw", {ALIAS: "nobody"}, (400, AGENT, "agent_not_found")),
        ("openclaw", {AGENT: "ñobody"}, (400, AGENT, "agent_not_found")),
        ("openclaw:", {}, (400, "model", "invalid_value")),
        ("openclaw/", {}, (400, "model", "invalid_value")),
        ("agent:", {}, (400, "model", "invalid_value")),
        ("openclaw:a b", {}, (400, "model", "invalid_value")),
        ("openclaw:../x", {}, (400, "model", "invalid_value")),
        ("openclaw:-x", {}, (400, "model", "invalid_value")),
        ("openclaw:" + "a" * 65, {}, (400, "model", "invalid_value")),
        ("gpt-9", {}, (404, "model", "model_not_found")),
        ("nobody/gpt-9", {}, (404, "model", "model_not_found")),
        ("scripted/", {}, (404, "model", "model_not_found")),
        ("openclaws", {}, (404, "model", "model_not_found")),
        ("モデル\n", {}, (404, "model", "model_not_found")),
        ("openclaw", {MODEL: "gpt-9"}, (404, "model", "model_not_found")),
        ("openclaw", {KEY: "subagent:x"}, (400, KEY, "invalid_value")),
        ("openclaw", {KEY: "SubAgent:x"}, (400, KEY, "invalid_value")),
        ("openclaw", {KEY: "cron:x"}, (400, KEY, "invalid_value")),
        ("openclaw", {KEY: "acp:x"}, (400, KEY, "invalid_value")),
        ("openclaw", {KEY: "agent:main:subagent:x"}, (400, KEY, "invalid_value")),
        ("openclaw", {KEY: "Agent:Stranger:Cron:x"}, (400, KEY, "invalid_value")),
        ("openclaw", {KEY: "k" * 513}, (400, KEY, "invalid_value")),
        ("openclaw", {KEY: "a\x7fb"}, (400, KEY, "invalid_value")),
        ("openclaw", {KEY: "a\tb"}, (400, KEY, "invalid_value")),
        ("openclaw:main", {KEY: "agent:beta:x"}, (400, KEY, "invalid_value")),
        ("openclaw", {KEY: "agent:beta:x", AGENT: "main"}, (400, KEY, "invalid_value")),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    model: str, headers: dict[str, str], told: tuple[int, str, str]
) -> None:
    assert refused(model, headers) == told


def test_the_reserved_namespaces_are_refused_in_the_products_words() -> None:
    with pytest.raises(ApiError) as caught:
        selected("openclaw", {KEY: "cron:x"})
    assert caught.value.body.message == (
        "`x-openclaw-session-key` cannot use reserved internal session namespaces."
    )


def test_the_known_names_are_told_with_an_unknown_one() -> None:
    with pytest.raises(ApiError) as agent:
        selected("openclaw:nobody")
    assert agent.value.body.message.startswith("Unknown agent 'nobody'.")
    assert "main, beta" in agent.value.body.message
    with pytest.raises(ApiError) as model:
        selected("gpt-9")
    assert model.value.body.message.startswith("Model 'gpt-9' not found.")


def test_a_long_user_makes_a_short_key() -> None:
    one, two = (
        selected("openclaw", user="u" * 5000 + "1"),
        selected("openclaw", user="u" * 5000 + "2"),
    )
    assert len(one.session) <= 512
    assert one.session != two.session
    assert one.session == selected("openclaw", user="u" * 5000 + "1").session
