from collections.abc import Callable

import pytest

from greenroom.http.config import Configuration, ConfigurationError, Problem

Load = Callable[..., Configuration]
Problems = Callable[..., list[str]]


def test_all_problems_come_at_once_in_the_order_of_lines(problems_of: Problems) -> None:
    text = """{
  gateway: {
    port: "abc",
    prot: 1,
    http: { limits: { maxJsonDepth: 257, heartbeatSeconds: 0 } },
  },
  agents: {
    entries: { "a b": {} },
    defaults: { model: "x/y" },
  },
  models: { providers: { p: { baseUrl: "no" } } },
  gatway: {},
  sessions: [],
  agents: {},
}"""
    assert problems_of(text) == [
        'greenroom.json5:3: gateway.port: expected an integer from 0 to 65535, got "abc"',
        'greenroom.json5:4: gateway.prot: unknown key; did you mean "port"?',
        "greenroom.json5:5: gateway.http.limits.heartbeatSeconds: "
        "expected a number above 0 and up to 86400, got 0",
        "greenroom.json5:5: gateway.http.limits.maxJsonDepth: "
        "expected an integer from 1 to 256, got 257",
        'greenroom.json5:8: agents.entries["a b"]: an agent\'s id is 1 to 64 letters, digits, '
        "dashes and _, and begins with a letter or digit",
        'greenroom.json5:9: agents.defaults.model: no such provider in "x/y"; '
        "known are p, ollama, scripted",
        "greenroom.json5:11: models.providers.p.baseUrl: expected an http or https URL with a "
        'host, such as "https://api.openai.com/v1"',
        'greenroom.json5:12: gatway: unknown key; did you mean "gateway"?',
        "greenroom.json5:13: sessions: expected an object, got an array",
        "greenroom.json5:14: agents: given twice; the first is on line 7",
    ]


def test_a_problem_is_data(load_text: Load) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_text("{\n gateway: {port: 65536}}")
    assert caught.value.problems == (
        Problem(
            file="greenroom.json5",
            line=2,
            key="gateway.port",
            message="expected an integer from 0 to 65535, got 65536",
        ),
    )


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("f", 1, "k", "m"), "f:1: k: m"),
        (Problem("f", 1, "", "m"), "f:1: m"),
        (Problem("f", None, "", "m"), "f: m"),
        (Problem(None, None, "k", "m"), "k: m"),
    ],
)
def test_a_problem_is_one_line(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_syntax_is_a_problem_without_a_key(problems_of: Problems) -> None:
    assert problems_of('{\n gateway: {port: 1\n bind: "lan"}}') == [
        'greenroom.json5:3: expected "," or "}", found a bare word (column 2)'
    ]


def test_the_root_is_an_object(problems_of: Problems) -> None:
    assert problems_of("\n[]") == ["greenroom.json5:2: expected an object, got an array"]


def test_a_repeated_key_names_both_lines(problems_of: Problems) -> None:
    text = "{gateway: {\n port: 1,\n auth: {token: 't'},\n port: 2}}"
    assert problems_of(text) == [
        "greenroom.json5:4: gateway.port: given twice; the first is on line 2"
    ]


def test_an_unknown_key_without_a_likeness_gets_the_keys_that_there_are(
    problems_of: Problems,
) -> None:
    assert problems_of("{qqq: 1}") == [
        "greenroom.json5:1: qqq: unknown key; known here: agents, gateway, logging, mcp, models, "
        "sessions, store"
    ]


@pytest.mark.parametrize("key", ["GateWay", "Gateway", "gateways"])
def test_a_likeness_is_found_whatever_the_case(problems_of: Problems, key: str) -> None:
    assert problems_of(f"{{{key}: {{}}}}") == [
        f'greenroom.json5:1: {key}: unknown key; did you mean "gateway"?'
    ]


def test_an_include_is_refused_with_what_to_do(problems_of: Problems) -> None:
    assert problems_of("{gateway: {$include: './gateway.json5'}}") == [
        "greenroom.json5:1: gateway.$include: is not supported; put what it includes into this file"
    ]


@pytest.mark.parametrize("key", ["a\\nb", "a\\u2028b", "x" * 500, "a.b", ""])
def test_no_key_breaks_a_line(problems_of: Problems, key: str) -> None:
    (problem,) = problems_of(f"{{'{key}': 1}}")
    assert problem.startswith('greenroom.json5:1: ["')
    assert len(problem) < 200


def test_problems_at_and_below_a_wrong_value_are_its_echo(problems_of: Problems) -> None:
    assert problems_of("{gateway: 7}", environ={}) == [
        "greenroom.json5:1: gateway: expected an object, got a number"
    ]
    assert problems_of("{gateway: {auth: {mode: 'non'}}}", environ={}) == [
        'greenroom.json5:1: gateway.auth.mode: expected "none", "password" or "token", '
        'got "non"; did you mean "none"?'
    ]


def test_problems_are_bounded(problems_of: Problems) -> None:
    keys = ", ".join(f"unknown{number}: 1" for number in range(1000))
    assert len(problems_of(f"{{{keys}}}")) == 50
    assert len(problems_of("{" + "port: 1, " * 1000 + "}")) == 50
