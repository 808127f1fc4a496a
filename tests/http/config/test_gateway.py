from collections.abc import Callable

import pytest

from greenroom.actors.settings import Secret
from greenroom.http.config import Auth, Configuration, NoAuth, PasswordAuth, TokenAuth

Load = Callable[..., Configuration]
Problems = Callable[..., list[str]]

ALL = "0.0.0.0"  # noqa: S104 - asked for
TOKEN = {"OPENCLAW_GATEWAY_TOKEN": "et"}
PASSWORD = {"OPENCLAW_GATEWAY_PASSWORD": "ep"}


@pytest.mark.parametrize(
    ("gateway", "host"),
    [
        ("{}", "127.0.0.1"),
        ("{bind: 'loopback'}", "127.0.0.1"),
        ("{bind: 'auto'}", "127.0.0.1"),
        ("{bind: 'lan'}", ALL),
        ("{bind: '192.0.2.7'}", "192.0.2.7"),
        ("{bind: '::1'}", "::1"),
        ("{bind: 'custom', customBindHost: '192.0.2.7'}", "192.0.2.7"),
        ("{bind: 'lan', customBindHost: '192.0.2.7'}", ALL),
    ],
)
def test_bind_names_an_address(load_text: Load, gateway: str, host: str) -> None:
    assert load_text(f"{{gateway: {gateway}}}").gateway.host == host


@pytest.mark.parametrize(
    ("gateway", "problem"),
    [
        (
            "bind: 'lann'",
            'gateway.bind: expected "loopback", "lan", "auto", "custom" or an IP address, '
            'got "lann"; did you mean "lan"?',
        ),
        (
            "bind: 'tailnet'",
            'gateway.bind: expected "loopback", "lan", "auto", "custom" or an IP address, '
            'got "tailnet"',
        ),
        ("bind: 'custom'", 'gateway.customBindHost: is required with bind "custom"'),
        (
            "bind: 'custom', customBindHost: 'host'",
            'gateway.customBindHost: expected an IP address, got "host"',
        ),
        ("bind: 7", "gateway.bind: expected a string, got a number"),
    ],
)
def test_a_bind_that_is_no_address_is_refused(
    problems_of: Problems, gateway: str, problem: str
) -> None:
    assert problems_of(f"{{\n gateway: {{\n {gateway}}}}}")[0].split(": ", 1)[1] == problem


@pytest.mark.parametrize(
    ("text", "port", "environ", "expected"),
    [
        (None, None, {}, 18789),
        ("{}", None, TOKEN, 18789),
        ("{gateway: {port: 0}}", None, TOKEN, 0),
        ("{gateway: {port: 1}}", None, TOKEN | {"OPENCLAW_GATEWAY_PORT": " 2 "}, 2),
        ("{gateway: {port: 1}}", None, TOKEN | {"OPENCLAW_GATEWAY_PORT": ""}, 1),
        ("{gateway: {port: 1}}", 3, TOKEN | {"OPENCLAW_GATEWAY_PORT": "2"}, 3),
        (None, 3, {"OPENCLAW_GATEWAY_PORT": "no port"}, 3),
        (None, None, {"OPENCLAW_GATEWAY_PORT": "2"}, 2),
    ],
)
def test_the_ports_order_is_argument_environment_file_default(
    load_text: Load, text: str | None, port: int | None, environ: dict[str, str], expected: int
) -> None:
    assert load_text(text, port=port, environ=environ).gateway.port == expected


@pytest.mark.parametrize("value", ["abc", "-1", "65536", "1.5", "٣", "9" * 5000])
def test_a_port_in_the_environment_is_checked(problems_of: Problems, value: str) -> None:
    (problem,) = problems_of(None, environ={"OPENCLAW_GATEWAY_PORT": value})
    assert problem.startswith("OPENCLAW_GATEWAY_PORT: expected an integer from 0 to 65535, got ")


def test_a_port_in_the_arguments_is_checked(problems_of: Problems) -> None:
    assert problems_of(None, port=65536) == [
        "--port: expected an integer from 0 to 65535, got 65536"
    ]


def token(secret: str, source: str = "configuration") -> TokenAuth:
    return TokenAuth(Secret(secret), source)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def password(secret: str, source: str = "configuration") -> PasswordAuth:
    return PasswordAuth(Secret(secret), source)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("auth", "environ", "expected"),
    [
        ("{token: 't'}", {}, token("t")),
        ("{token: 't'}", TOKEN, token("t")),
        ("{token: ' t\\n'}", {}, token("t")),
        ("{}", TOKEN, token("et", "environment")),
        ("{}", {"OPENCLAW_GATEWAY_TOKEN": " t\n"}, token("t", "environment")),
        ("{mode: 'token'}", TOKEN | PASSWORD, token("et", "environment")),
        ("{password: 'p'}", {}, password("p")),
        ("{password: 'p'}", TOKEN, password("p")),
        ("{token: 't', password: 'p'}", {}, password("p")),
        ("{mode: 'token', token: 't', password: 'p'}", {}, token("t")),
        ("{}", PASSWORD, password("ep", "environment")),
        ("{token: 't'}", PASSWORD, password("ep", "environment")),
        ("{mode: 'password', password: 'p'}", PASSWORD, password("p")),
        ("{mode: 'none'}", TOKEN, NoAuth()),
    ],
)
def test_mode_and_secret_are_the_files_then_the_environments(
    load_text: Load, auth: str, environ: dict[str, str], expected: Auth
) -> None:
    assert load_text(f"{{gateway: {{auth: {auth}}}}}", environ=environ).gateway.auth == expected


def test_without_a_file_the_environments_secret_counts(load_text: Load) -> None:
    assert load_text(None, environ=TOKEN).gateway.auth == token("et", "environment")
    assert load_text(None, environ=PASSWORD).gateway.auth == password("ep", "environment")


@pytest.mark.parametrize(
    ("auth", "environ", "problem"),
    [
        (
            "{}",
            {},
            "gateway.auth.token: no token anywhere; "
            "set gateway.auth.token or OPENCLAW_GATEWAY_TOKEN",
        ),
        (
            "{mode: 'token'}",
            PASSWORD,
            "gateway.auth.token: no token anywhere; "
            "set gateway.auth.token or OPENCLAW_GATEWAY_TOKEN",
        ),
        (
            "{mode: 'password'}",
            TOKEN | {"OPENCLAW_GATEWAY_PASSWORD": " "},
            "gateway.auth.password: no password anywhere; "
            "set gateway.auth.password or OPENCLAW_GATEWAY_PASSWORD",
        ),
        ("{token: ' '}", TOKEN, "gateway.auth.token: must not be empty; leave the key out instead"),
        ("{token: 'a\\u0007b'}", TOKEN, "gateway.auth.token: must not hold control characters"),
        (
            "{mode: 'tokn'}",
            TOKEN,
            'gateway.auth.mode: expected "none", "password" or "token", got "tokn"; '
            'did you mean "token"?',
        ),
        (
            "{token: {source: 'env', id: 'A'}}",
            TOKEN,
            "gateway.auth.token: expected a string, got an object; "
            'write "${NAME}" to take it from the environment',
        ),
    ],
)
def test_a_secret_is_required_and_not_empty(
    problems_of: Problems, auth: str, environ: dict[str, str], problem: str
) -> None:
    text = f"{{gateway: {{\n auth: {auth}}}}}"
    assert problems_of(text, environ=environ) == [f"greenroom.json5:2: {problem}"]


def test_a_secret_in_the_environment_has_no_control_characters(problems_of: Problems) -> None:
    assert problems_of(None, environ={"OPENCLAW_GATEWAY_TOKEN": "a\x07b"}) == [
        "OPENCLAW_GATEWAY_TOKEN: must not hold control characters"
    ]


@pytest.mark.parametrize("bind", ["lan", ALL, "::", "192.0.2.7"])
def test_without_authentication_only_loopback_is_bound(problems_of: Problems, bind: str) -> None:
    (problem,) = problems_of(f"{{gateway: {{bind: '{bind}',\n auth: {{\n mode: 'none'}}}}}}")
    assert problem.startswith("greenroom.json5:3: gateway.auth.mode: refused on ")
    assert 'set mode "token" or bind "loopback"' in problem


@pytest.mark.parametrize("bind", ["loopback", "127.0.0.2", "::1"])
def test_without_authentication_loopback_is_bound(load_text: Load, bind: str) -> None:
    auth = load_text(f"{{gateway: {{bind: '{bind}', auth: {{mode: 'none'}}}}}}").gateway.auth
    assert auth == NoAuth()
