"""What stands between the network and the endpoints: its keys, and what is refused of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom.actors.settings import Secret
from greenroom.http.config import Configuration, HttpLimits, PasswordAuth, Tls, TokenAuth

Load = Callable[..., Configuration]
Problems = Callable[..., list[str]]


def test_the_bounds_of_connections_are_taken_over(load_text: Load) -> None:
    configuration = load_text(
        """{gateway: {http: {limits: {
          maxConnections: 1, maxConnectionsPerAddress: 2, keepAliveSeconds: 3, maxHeadBytes: 4096,
          maxRequestLineBytes: 2048, maxHeaders: 6, headTimeoutSeconds: 7, writeTimeoutSeconds: 8,
        }}}}"""
    )
    assert configuration.gateway.limits == HttpLimits(
        max_connections=1,
        max_connections_per_address=2,
        keep_alive=3.0,
        max_head_bytes=4096,
        max_request_line_bytes=2048,
        max_headers=6,
        head_timeout=7.0,
        write_timeout=8.0,
    )


def test_a_gateway_answers_for_no_names_and_no_pages_unless_told(load_text: Load) -> None:
    gateway = load_text("{}").gateway
    assert (gateway.hosts, gateway.cors, gateway.http1, gateway.tls) == ((), (), "httptools", None)


@pytest.mark.parametrize(
    "host", ["localhost", "a.example.com", "*.example.com", "*", "192.0.2.7", "::1", "[::1]", "a_b"]
)
def test_a_host_is_a_name_or_an_address(load_text: Load, host: str) -> None:
    assert load_text(f"{{gateway: {{http: {{hosts: ['{host}']}}}}}}").gateway.hosts == (host,)


@pytest.mark.parametrize("host", ["a:80", "http://a", "a/b", "*.", "a b", "**", "-\\n"])
def test_a_host_has_no_port_and_no_path(problems_of: Problems, host: str) -> None:
    (problem,) = problems_of(f"{{gateway: {{http: {{hosts: ['x', '{host}']}}}}}}")
    assert "gateway.http.hosts[1]: expected a name or an address without a port" in problem


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "http://localhost:3000",
        "*",
        "chrome-extension://abc",
        "HTTPS://A/",
    ],
)
def test_an_origin_is_a_scheme_and_a_host(load_text: Load, origin: str) -> None:
    text = f"{{gateway: {{http: {{cors: {{origins: ['{origin}']}}}}}}}}"
    assert load_text(text).gateway.cors == (origin,)


@pytest.mark.parametrize(
    ("origin", "problem"),
    [
        ("app.example.com", "expected an origin"),
        ("https://a/path", "expected an origin"),
        ("https://*.example.com", "expected an origin"),
        ("https://user@a", "expected an origin"),
        ("null", "refused: it is the origin of any page that hides its own"),
    ],
)
def test_an_origin_names_one_site(problems_of: Problems, origin: str, problem: str) -> None:
    (found,) = problems_of(f"{{gateway: {{http: {{cors: {{origins: ['{origin}']}}}}}}}}")
    assert f"gateway.http.cors.origins[0]: {problem}" in found


def test_not_every_page_may_call_a_gateway_that_asks_nobody_who_they_are(
    problems_of: Problems, load_text: Load
) -> None:
    text = "{gateway: {auth: {mode: 'none'}, http: {cors: {origins: ['%s']}}}}"
    (problem,) = problems_of(text % "*")
    assert 'refused with auth.mode "none": every page could call' in problem
    assert load_text(text % "https://a").gateway.cors == ("https://a",)


def test_tls_has_its_files_beside_the_configuration(load_text: Load, tmp_path: Path) -> None:
    text = "{gateway: {tls: {enabled: true, certPath: 'c.pem', keyPath: '~/k.pem'}}}"
    assert load_text(text).gateway.tls == Tls(tmp_path / "c.pem", tmp_path / "home" / "k.pem")


def test_tls_without_its_files_is_refused_and_never_left_out(problems_of: Problems) -> None:
    assert problems_of("{gateway: {tls: {enabled: true}}}") == [
        f"greenroom.json5:1: gateway.tls.{key}: "
        "is required where TLS is on; no certificate is made up here"
        for key in ("certPath", "keyPath")
    ]
    (problem,) = problems_of("{gateway: {tls: {enabled: true, certPath: 'a\\0', keyPath: 'b'}}}")
    assert "is no path" in problem


@pytest.mark.parametrize("http1", ["httptools", "h11"])
def test_whose_http_is_spoken_is_a_choice(load_text: Load, http1: str) -> None:
    assert load_text(f"{{gateway: {{http: {{http1: '{http1}'}}}}}}").gateway.http1 == http1


@pytest.mark.parametrize(("key", "kind"), [("token", TokenAuth), ("password", PasswordAuth)])
def test_a_secret_may_be_in_a_file(
    load_text: Load, tmp_path: Path, key: str, kind: type[TokenAuth | PasswordAuth]
) -> None:
    file = tmp_path / "secret"
    file.write_text("  of-the-file\n")
    auth = load_text(f"{{gateway: {{auth: {{{key}File: 'secret'}}}}}}").gateway.auth
    assert auth == kind(Secret("of-the-file"), "file", file)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xff", "is not UTF-8"),
        (b"s3cr3t\nword", "holds more than one line, or control characters"),
        (b"s" * 5000, "is larger than 4096 bytes"),
    ],
)
def test_a_file_without_a_secret_is_refused_and_not_shown(
    problems_of: Problems, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    (found,) = problems_of("{gateway: {auth: {tokenFile: 'secret'}}}")
    assert found.startswith("greenroom.json5:1: gateway.auth.tokenFile: ")
    assert problem in found
    assert "s3cr3t" not in found


def test_a_secret_stands_in_one_place(problems_of: Problems, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a")
    (found,) = problems_of("{gateway: {auth: {token: 'b', tokenFile: 'secret'}}}")
    assert "gateway.auth.tokenFile: given beside gateway.auth.token" in found
