"""Sessions as their keeper meets them: they outlive the gateway, and the command line shows them."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.test_process import Gateway, environment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def gateway(folder: Path) -> Iterator[Gateway]:
    running = start(folder)
    try:
        yield running
    finally:
        end(running)


def start(folder: Path) -> Gateway:
    return Gateway(folder, environment(folder / "home"), "--store", "sessions.db")


def end(gateway: Gateway) -> None:
    if gateway.process.poll() is None:
        gateway.process.kill()
    gateway.process.communicate(timeout=10)


def say(gateway: Gateway, text: str, key: str = "k") -> str:
    done = gateway.say("--token", gateway.token, "--session-key", key, "-m", text)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_session_outlives_its_gateway(
    gateway: Gateway, folder: Path, how: signal.Signals
) -> None:
    assert "sessions in " in gateway.printed
    assert "your 1st message" in say(gateway, "Hi")
    gateway.process.send_signal(how)
    gateway.process.wait(timeout=10)
    again = start(folder)
    try:
        assert "your 2nd message" in say(again, "Hi again")
    finally:
        end(again)


def test_without_a_file_sessions_are_said_to_be_in_memory(tmp_path: Path) -> None:
    running = Gateway(tmp_path, environment(tmp_path / "home"))
    try:
        assert "sessions in memory" in running.printed
    finally:
        end(running)


def test_a_store_that_is_in_use_is_one_line_and_status_2(gateway: Gateway) -> None:
    second = gateway.run("serve", "--port", "0", "--store", "sessions.db")
    assert (second.returncode, second.stderr.count("\n")) == (2, 1)
    assert "sessions.db is in use by another Greenroom" in second.stderr
    local = gateway.run("agent", "--local", "-m", "Hi")
    assert local.returncode == 0, "without a configuration it has a memory of its own"


def test_sessions_are_listed_shown_and_changed(gateway: Gateway, folder: Path) -> None:
    say(gateway, "[say One.]")
    say(gateway, "[say Two.]", "other")
    listed = gateway.sessions("list")
    assert [line.split()[3] for line in listed.stdout.splitlines()] == ["other", "k"]
    assert "(1 turns, 2 entries, " in listed.stdout
    assert gateway.sessions("list", "--prefix", "oth").stdout.count("\n") == 1
    assert gateway.sessions("list", "--limit", "1").stdout.count("\n") == 1
    assert "turns: 1" in gateway.sessions("show", "k").stdout
    transcript = gateway.sessions("transcript", "k").stdout.splitlines()
    assert [line.split(maxsplit=1)[1] for line in transcript] == [
        "user: [say One.]",
        "assistant: One.",
    ]
    assert gateway.sessions("cancel", "k").stdout == "no turn was under way\n"
    assert gateway.sessions("export", "k", "k.jsonl").returncode == 0
    assert gateway.sessions("export", "k").stdout == (folder / "k.jsonl").read_text()
    assert gateway.sessions("import", "k.jsonl", "--key", "copy").stdout == "main copy\n"
    assert gateway.sessions("reset", "k").stdout == "reset\n"
    assert gateway.sessions("transcript", "k").stdout == ""
    assert "(cut)" in gateway.sessions("transcript", "k", "--cut").stdout
    assert gateway.sessions("delete", "k").stdout == "deleted\n"
    gone = gateway.sessions("show", "k")
    assert (gone.returncode, gone.stderr) == (
        1,
        "greenroom: Agent 'main' has no session 'k'.\n",
    )
    assert "your 2nd message" in say(gateway, "Hi", "copy")


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["export", "k", "there/is/no.jsonl"], 1, "has no session 'k'"),
        (["import", "there-is-none.jsonl"], 2, "there-is-none.jsonl: No such file or directory"),
        (["transcript"], 2, "Missing argument 'KEY'"),
        (["list", "--limit", "0"], 2, "--limit"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    gateway: Gateway, arguments: list[str], status: int, told: str
) -> None:
    done = gateway.sessions(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (status, 1)
    assert told in done.stderr


def test_where_no_gateway_answers_that_is_told(tmp_path: Path) -> None:
    running = Gateway(tmp_path, environment(tmp_path / "home"))
    end(running)
    done = running.sessions("list")
    assert done.returncode == 1
    assert done.stderr.startswith(f"greenroom: no gateway answers at {running.url}; start one")
