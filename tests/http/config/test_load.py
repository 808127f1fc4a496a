from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom.actors.settings import (
    AgentSettings,
    Cooldown,
    HouseSettings,
    ModelSettings,
    ProviderSettings,
    Retry,
    Secret,
    TimeLimits,
)
from greenroom.http.config import (
    Configuration,
    FailureLimits,
    Gateway,
    HttpLimits,
    Logging,
    TokenAuth,
    load,
)
from greenroom.http.config.load import MAX_BYTES

Load = Callable[..., Configuration]
Problems = Callable[..., list[str]]


def test_without_a_file_the_embedded_default_serves_loopback_with_a_generated_token(
    load_text: Load,
) -> None:
    configuration = load_text(None, environ={})
    auth = configuration.gateway.auth
    assert isinstance(auth, TokenAuth)
    assert auth.source == "generated"
    assert len(auth.secret.reveal()) >= 32
    ollama = ProviderSettings(
        id="ollama",
        api="ollama",
        base_url="http://127.0.0.1:11434",
        limits=TimeLimits(first_byte=90),
    )
    scripted = ProviderSettings(
        id="scripted",
        api="scripted",
        models=(ModelSettings(id="demo", name="Demo"),),
        retry=Retry(times=0),
        cooldown=Cooldown(failures=0),
    )
    assert configuration == Configuration(
        gateway=Gateway(
            host="127.0.0.1",
            port=18789,
            auth=auth,
            failures=FailureLimits(),
            chat_completions=True,
            responses=True,
            session_from_user=True,
            limits=HttpLimits(),
        ),
        house=HouseSettings(
            agents=(AgentSettings(id="main", model="scripted/demo"),),
            default_agent="main",
            providers=(ollama, scripted),
            agent_defaults=AgentSettings(id="main", model="scripted/demo"),
            names_agents=False,
        ),
        store=None,
        logging=Logging(),
        source=None,
        ignored=(),
    )


def test_a_generated_token_is_new_each_time(load_text: Load) -> None:
    first, second = load_text(None, environ={}), load_text(None, environ={})
    assert first.gateway.auth != second.gateway.auth


def test_an_empty_object_is_a_file_with_the_endpoint_off(load_text: Load, tmp_path: Path) -> None:
    configuration = load_text("{}")
    assert configuration.gateway.chat_completions is False
    assert configuration.gateway.responses is False
    assert configuration.source == tmp_path / "greenroom.json5"


def test_loading_twice_gives_equal_configurations(load_text: Load) -> None:
    text = "{models: {providers: {p: {baseUrl: 'http://h', headers: {a: 'b'}}}}}"
    assert load_text(text) == load_text(text)


def test_the_limits_of_http_are_taken_over(load_text: Load) -> None:
    configuration = load_text(
        """{gateway: {http: {
          endpoints: {chatCompletions: {enabled: true, sessionFromUser: false},
                      responses: {enabled: true, sessionFromUser: false}},
          limits: {maxBodyBytes: 1e6, bodyTimeoutSeconds: 1, heartbeatSeconds: 2.5,
                   firstEventSeconds: 3, shutdownSeconds: 4, maxJsonDepth: 5},
        }}}"""
    )
    assert configuration.gateway.chat_completions is True
    assert configuration.gateway.session_from_user is False
    assert configuration.gateway.responses is True
    assert configuration.gateway.responses_from_user is False
    assert configuration.gateway.limits == HttpLimits(1_000_000, 1.0, 2.5, 3.0, 4.0, 5)


def test_failure_limits_come_out_in_seconds(load_text: Load) -> None:
    configuration = load_text(
        """{gateway: {auth: {rateLimit:
          {maxAttempts: 3, windowMs: 500, lockoutMs: 2000, exemptLoopback: false}}}}"""
    )
    assert configuration.gateway.failures == FailureLimits(3, 0.5, 2.0, exempt_loopback=False)


def test_the_bounds_of_sessions_are_taken_over(load_text: Load) -> None:
    sessions = load_text("{sessions: {maxWaitingTurns: 1, maxLive: 2}}").house.sessions
    assert (sessions.waiting_turns, sessions.live_sessions) == (1, 2)


@pytest.mark.parametrize(
    ("text", "logging"),
    [
        ("{logging: {}}", Logging("info", "auto")),
        ("{logging: {level: 'trace'}}", Logging("trace", "auto")),
        ("{logging: {consoleStyle: 'pretty'}}", Logging("info", "console")),
        ("{logging: {consoleStyle: 'compact'}}", Logging("info", "console")),
        ("{logging: {consoleStyle: 'json'}}", Logging("info", "json")),
        ("{logging: {consoleStyle: 'json', format: 'auto'}}", Logging("info", "auto")),
    ],
)
def test_format_goes_before_console_style(load_text: Load, text: str, logging: Logging) -> None:
    assert load_text(text).logging == logging


def test_a_file_is_bounded_in_size(problems_of: Problems, load_text: Load) -> None:
    load_text("{}" + " " * (MAX_BYTES - 2))
    assert problems_of("{}" + " " * (MAX_BYTES - 1)) == [
        "greenroom.json5: is larger than 1048576 bytes"
    ]


def test_a_file_is_utf_8_with_or_without_a_mark(tmp_path: Path, problems_of: Problems) -> None:
    file = tmp_path / "greenroom.json5"
    environ = {"OPENCLAW_GATEWAY_TOKEN": "t"}
    file.write_bytes(b"\xef\xbb\xbf{}")
    load(environ=environ, cwd=tmp_path, home=tmp_path)
    file.write_bytes(b"{\n // \xff\n}")
    assert problems_of(None) == ["greenroom.json5:2: is not UTF-8"]


def test_variables_are_filled_in_wherever_a_string_stands(load_text: Load) -> None:
    configuration = load_text(
        """{
          gateway: {auth: {token: "a-${TOKEN}-${T_2}"}, bind: "${BIND}"},
          models: {providers: {p: {baseUrl: "http://${HOST}/v1", headers: {h: "${TOKEN}"}}}},
          agents: {defaults: {model: "p/m", instructions: "$${TOKEN} $ {TOKEN} ${TOKEN-x} $$$"}},
          logging: {level: "${LEVEL}"},
        }""",
        environ={"TOKEN": "${T_2}", "T_2": "2", "BIND": "lan", "HOST": "h", "LEVEL": "warn"},
    )
    assert configuration.gateway.auth == TokenAuth(Secret("a-${T_2}-2"), "configuration")
    assert configuration.gateway.host == "0.0.0.0"  # noqa: S104 - asked for
    assert configuration.house.providers[0].base_url == "http://h/v1"
    assert configuration.house.providers[0].headers == {"h": "${T_2}"}
    assert configuration.house.agents[0].instructions == "${TOKEN} $ {TOKEN} ${TOKEN-x} $$$"
    assert configuration.logging.level == "warn"


@pytest.mark.parametrize(
    ("environ", "fault"), [({}, "is not set"), ({"A": ""}, "is empty"), ({"A": "\udcff"}, "is not UTF-8")]
)  # fmt: skip
def test_a_variable_that_cannot_be_had_is_named(
    problems_of: Problems, environ: dict[str, str], fault: str
) -> None:
    assert problems_of("{gateway: {\n auth: {\n token: '${A}'}}}", environ=environ) == [
        f"greenroom.json5:3: gateway.auth.token: the environment variable A {fault}; "
        "set it, or write $${A} to mean the text itself"
    ]


def test_variables_under_ignored_keys_are_left_alone(load_text: Load) -> None:
    assert load_text("{channels: {x: '${NOT_SET}'}}").ignored == (("channels", 1),)
