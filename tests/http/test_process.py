"""Rules of the program as its first user meets it: one command, one token, one signal to end."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import pytest

COMMAND = [sys.executable, "-c", "from greenroom.http.cli.main import main; main()"]


def environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1"}


class Gateway:
    """A running `greenroom serve`."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *arguments: str) -> None:
        self._environ = dict(environ)
        self._folder = folder
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [*COMMAND, "serve", "--port", "0", *arguments],
            cwd=folder, env=self._environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        printed = [self.process.stdout.readline() for _ in range(4)]
        self.printed = "".join(printed)
        self.url = self._find(r"Greenroom listens on (http://127\.0\.0\.1:\d+)/v1$")
        self.token = self._find(r"export OPENCLAW_GATEWAY_TOKEN=(\S+)$")

    def _find(self, pattern: str) -> str:
        found = re.search(pattern, self.printed, re.MULTILINE)
        assert found is not None, self.printed
        return found[1]

    def say(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `greenroom agent` against it."""
        return self.run("agent", "--url", self.url, *arguments)

    def sessions(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `greenroom sessions` against it."""
        return self.run("sessions", "--url", self.url, "--token", self.token, *arguments)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command in its folder."""
        return subprocess.run(  # noqa: S603 - our own command
            [*COMMAND, *arguments],
            cwd=self._folder, env=self._environ, capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip

    def end(self, number: int | None = signal.SIGTERM) -> tuple[int, str, str]:
        """Signal it and wait; its status, and what else it printed."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=10)
        return self.process.returncode, out, err


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    running = Gateway(tmp_path, environment(tmp_path / "home"))
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate(timeout=10)


def test_one_command_shows_it_working_and_a_signal_ends_it(gateway: Gateway) -> None:
    client = httpx2.Client(
        base_url=gateway.url, headers={"authorization": f"Bearer {gateway.token}"}, trust_env=False
    )
    with client:
        assert client.get("/health").json() == {"ok": True, "status": "live"}
        body = {"model": "openclaw", "messages": [{"role": "user", "content": "[say Hello]"}]}
        answer = client.post("/v1/chat/completions", json=body)
        assert answer.json()["choices"][0]["message"]["content"] == "Hello"
        refused = client.post(
            "/v1/chat/completions", json=body, headers={"authorization": "Bearer x"}
        )
        assert refused.status_code == 401
        with client.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as stream:
            assert list(stream.iter_lines())[-2:] == ["data: [DONE]", ""]

    first = gateway.say("--token", gateway.token, "-m", "Hi")
    assert (first.returncode, first.stderr) == (0, "")
    assert "your 1st message in this session" in first.stdout
    second = gateway.say("--token", gateway.token, "-m", "Hi again")
    assert "your 2nd message in this session" in second.stdout
    other = gateway.say("--token", gateway.token, "-m", "Hi", "--session-key", "another")
    assert "your 1st message in this session" in other.stdout

    for arguments in (["--token", "wrong"], []):
        stranger = gateway.say(*arguments, "-m", "Hi")
        assert stranger.returncode == 1
        assert stranger.stderr == (
            f"greenroom: the gateway at {gateway.url} did not accept the token; "
            "set OPENCLAW_GATEWAY_TOKEN or --token\n"
        )
    unknown = gateway.say("--token", gateway.token, "-m", "Hi", "--model", "gpt-9")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
    assert "Model 'gpt-9' not found" in unknown.stderr

    status, out, err = gateway.end()
    assert (status, out) == (0, "")
    assert gateway.token not in err
    assert "Traceback" not in err
    assert '"event":"gateway.down"' in err


def test_an_interrupt_ends_it_as_well(gateway: Gateway) -> None:
    status, _, err = gateway.end(signal.SIGINT)
    assert status == 0
    assert "Traceback" not in err


def test_a_second_interrupt_ends_it_at_once(gateway: Gateway) -> None:
    body = {
        "model": "openclaw",
        "messages": [{"role": "user", "content": "[slow 600] [say one two]"}],
        "stream": True,
    }
    headers = {"authorization": f"Bearer {gateway.token}"}
    with (
        httpx2.Client(base_url=gateway.url, headers=headers, trust_env=False) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as stream,
    ):
        pieces = stream.iter_raw()  # held on to: the stream is closed with it
        next(pieces)
        gateway.process.send_signal(signal.SIGINT)
        assert gateway.process.stderr is not None
        while "gateway.stopping" not in gateway.process.stderr.readline():
            assert gateway.process.poll() is None
        status, _, err = gateway.end(signal.SIGINT)
    assert status == 130
    assert "Traceback" not in err


def test_an_open_stream_does_not_hold_the_end_for_ever(gateway: Gateway) -> None:
    body = {
        "model": "openclaw",
        "messages": [{"role": "user", "content": "[slow 0.05] [say " + "a " * 10 + "]"}],
        "stream": True,
    }
    headers = {"authorization": f"Bearer {gateway.token}"}
    with (
        httpx2.Client(base_url=gateway.url, headers=headers, trust_env=False) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as stream,
    ):
        lines = stream.iter_lines()
        next(lines)
        gateway.process.send_signal(signal.SIGTERM)
        assert list(lines)[-2:] == ["data: [DONE]", ""]
    status, _, err = gateway.end(None)
    assert status == 0
    assert "Traceback" not in err
