"""Rules of the command line: a mistake is one line and status 2, a failed turn one and status 1."""

import io
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom.http.cli.main import run

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in an empty folder: its status, its output, its errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("GREENROOM_CONFIG", "OPENCLAW_CONFIG_PATH", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("TOKEN", "PASSWORD", "PORT"):
        monkeypatch.delenv(f"OPENCLAW_GATEWAY_{name}", raising=False)

    def cli(*arguments: str) -> tuple[int, str, str]:
        status = run(arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return cli


def configured(tmp_path: Path, text: str) -> None:
    (tmp_path / "greenroom.json5").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["nonsense"],
        ["serve", "--nonsense"],
        ["serve", "--port", "x"],
        ["serve", "--port", "65536"],
        ["serve", "--port", "-1"],
        ["serve", "extra"],
        ["agent"],
        ["agent", "--message"],
        ["config", "nonsense"],
        ["config", "check", "--config", "missing.json5"],
        ["config", "check", "--config", "."],
        ["serve", "--config", "missing.json5"],
        ["agent", "-m", "Hi", "--local", "--config", "missing.json5"],
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(arguments: list[str], cli: Cli) -> None:
    status, out, err = cli(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("greenroom: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["config"]])
def test_without_a_command_the_commands_are_shown(arguments: list[str], cli: Cli) -> None:
    status, out, err = cli(*arguments)
    assert status == 2
    assert "Usage: greenroom" in out + err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["serve", "--help"], ["config", "-h"]])
def test_help_is_no_mistake(arguments: list[str], cli: Cli) -> None:
    status, out, _ = cli(*arguments)
    assert status == 0
    assert out.startswith("Usage: greenroom")


def test_the_version_is_told(cli: Cli) -> None:
    status, out, _ = cli("--version")
    assert (status, out.split(",")[0]) == (0, "greenroom")


@pytest.mark.parametrize(
    "command", [["config", "check"], ["serve"], ["agent", "-m", "Hi", "--local"]]
)
def test_a_bad_configuration_is_a_line_for_each_problem(
    command: list[str], cli: Cli, tmp_path: Path
) -> None:
    configured(tmp_path, "{\n gateway: {prot: 1,\n port: 'x'}}")
    status, out, err = cli(*command)
    assert (status, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("greenroom: greenroom.json5:") for line in lines)


def test_serving_others_without_authentication_is_refused(cli: Cli, tmp_path: Path) -> None:
    configured(tmp_path, '{gateway: {bind: "lan", auth: {mode: "none"}}}')
    status, _, err = cli("serve")
    assert status == 2
    assert "without authentication only loopback may be bound" in err
    assert err.count("\n") == 1


def test_a_port_in_use_is_said_with_what_to_do(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, out, err = cli("serve", "--port", str(port))
    assert (status, out) == (2, "")
    assert err == (
        f"greenroom: cannot listen on 127.0.0.1:{port}: Address already in use; "
        "choose another port with --port or gateway.port\n"
    )


# config check


def test_no_configuration_at_all_is_the_embedded_default(cli: Cli) -> None:
    assert cli("config", "check") == (
        0,
        "no configuration file, the embedded default: ok; agents main; providers ollama, scripted\n",
        "",
    )


def test_a_good_configuration_says_what_it_has_and_what_is_ignored(
    cli: Cli, tmp_path: Path
) -> None:
    configured(
        tmp_path,
        """{
          gateway: {auth: {token: "a-secret"}},
          channels: {},
          models: {providers: {p: {api: "scripted", models: [{id: "m"}]}}},
          agents: {defaults: {model: "p/m"}, entries: {main: {}, beta: {}}},
        }""",
    )
    status, out, err = cli("config", "check")
    assert (status, err) == (0, "")
    ignored, ok = out.splitlines()
    source = tmp_path / "greenroom.json5"
    assert ignored == f"{source}:3: channels: ignored, it means nothing here"
    assert ok.startswith(f"{source}: ok; agents main, beta; providers p")
    assert "a-secret" not in out


# agent


def test_a_turn_in_this_process_prints_the_answer(cli: Cli) -> None:
    assert cli("agent", "--local", "-m", "[say Hello there]") == (0, "Hello there\n", "")


def test_a_message_can_come_from_standard_input(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"[say From elsewhere]")))
    assert cli("agent", "--local", "-m", "-") == (0, "From elsewhere\n", "")


def test_a_message_that_is_no_text_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    expected = (2, "", "greenroom: the message is not UTF-8 text\n")
    assert cli("agent", "--local", "-m", "-") == expected


def test_a_reserved_session_is_refused_here_as_over_http(cli: Cli) -> None:
    status, out, error = cli("agent", "--local", "-m", "x", "--session-key", "cron:x")
    assert (status, out) == (1, "")
    assert "reserved internal session namespaces" in error


def test_the_answer_streams_as_it_comes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[str] = []

    def echo(text: str = "", *, nl: bool = True) -> None:
        pieces.append(text + "\n" * nl)

    monkeypatch.setattr("greenroom.http.cli.agent.click.echo", echo)
    assert cli("agent", "--local", "-m", "[say one two three]")[0] == 0
    assert pieces == ["one", " two", " three", "\n"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-m", "[fail upstream_overloaded]"], "told to fail: upstream_overloaded"),
        (["-m", "Hi", "--agent", "nobody"], "Unknown agent 'nobody'"),
        (["-m", "Hi", "--model", "gpt-9"], "Model 'gpt-9' not found"),
    ],
)
def test_a_turn_that_fails_is_one_line_and_status_1(
    arguments: list[str], words: str, cli: Cli
) -> None:
    status, out, err = cli("agent", "--local", *arguments)
    assert (status, out.strip()) == (1, "")
    assert err.startswith("greenroom: ")
    assert words in err
    assert err.count("\n") == 1


def test_a_turn_that_fails_in_the_middle_shows_what_was_said(cli: Cli) -> None:
    status, out, err = cli("agent", "--local", "-m", "[fail upstream_error after 2] [say a b c]")
    assert (status, out) == (1, "a b\n")
    assert err.count("\n") == 1


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def test_a_gateway_that_is_not_there_is_said_with_what_to_do(cli: Cli) -> None:
    url = f"http://127.0.0.1:{_free_port()}"
    status, out, err = cli("agent", "-m", "Hi", "--url", url, "--token", "x")
    assert (status, out.strip()) == (1, "")
    assert err == (
        f"greenroom: no gateway answers at {url}; start one with 'greenroom serve', or use --local\n"
    )


@pytest.mark.parametrize(
    "url", ["nonsense", "http://", "ftp://127.0.0.1", "http://127.0.0.1:99999", "http://[::"]
)
def test_a_url_that_is_none_is_one_line(url: str, cli: Cli) -> None:
    status, out, err = cli("agent", "-m", "Hi", "--url", url, "--token", "x")
    assert (status, out) == (2, "")
    assert err.startswith("greenroom: Invalid value for '--url'")
    assert err.count("\n") == 1


@pytest.mark.parametrize("option", ["--token", "--session-key", "--agent", "--model"])
def test_an_option_that_no_header_can_carry_is_one_line(option: str, cli: Cli) -> None:
    url = f"http://127.0.0.1:{_free_port()}"
    status, out, err = cli("agent", "-m", "Hi", "--url", url, option, "a\nb")
    assert status in (1, 2)
    assert out.strip() == ""
    assert err.startswith("greenroom: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("message", ["", " "])
def test_nothing_to_say_is_no_crash(message: str, cli: Cli) -> None:
    status, _, err = cli("agent", "--local", "-m", message)
    assert status in (0, 1, 2)
    assert "Traceback" not in err


def test_any_level_of_the_log_can_be_set(cli: Cli, tmp_path: Path) -> None:
    for level in ("silent", "fatal", "error", "warn", "info", "debug", "trace"):
        configured(
            tmp_path, f'{{logging: {{level: "{level}"}}, gateway: {{auth: {{token: "x"}}}}}}'
        )
        assert cli("agent", "--local", "-m", "[say Yes]") == (0, "Yes\n", "")
