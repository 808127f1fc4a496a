"""An example served by a process of its own, which can die and come back."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

ROOT = Path(__file__).parents[2]
GREENROOM = [sys.executable, "-c", "from greenroom.http.cli.main import main; main()"]
TOKEN = "a-token-of-the-tests"
PATIENCE_S = 30.0


class Example:
    """One example, with a store in `folder`; `start` it, and `kill` or `end` it."""

    def __init__(self, name: str, folder: Path, extra: dict[str, Any] | None = None) -> None:
        self._file = ROOT / "examples" / f"{name}.py"
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        configuration = {
            "gateway": {
                "port": 0,
                "auth": {"mode": "token", "token": TOKEN},
                "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
            },
            "store": {"path": str(folder / "sessions.db")},
            **(extra or {}),
        }
        (folder / "greenroom.json5").write_text(json.dumps(configuration), "utf-8")

    def start(self) -> "Example":
        process = self._process = subprocess.Popen(  # noqa: S603 - our own program
            [*GREENROOM, "serve", str(self._file)],
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+(?=/v1)", line)
        assert found, f"the gateway did not come up: {line!r}"
        self.url = found.group()
        return self

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """End it in order."""
        assert self._end(signal.SIGTERM) == 0

    def _end(self, number: signal.Signals) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        status = process.wait(timeout=PATIENCE_S)
        assert process.stdout is not None
        process.stdout.close()
        return status

    def get(self, path: str) -> Any:
        return self._call("GET", path)

    def post(self, path: str, body: object) -> Any:
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: object = None) -> Any:
        answer = httpx2.request(
            method,
            f"{self.url}/v1{path}",
            json=body,
            headers={"authorization": f"Bearer {TOKEN}", "x-openclaw-session-key": "k"},
            timeout=PATIENCE_S,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def say(self, text: str, model: str = "openclaw") -> str:
        """Have a turn in the session `k`, and return its answer."""
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        answer = self.post("/chat/completions", body)
        return str(answer["choices"][0]["message"]["content"])

    def said(self, key: str = "k", agent: str = "main") -> list[str]:
        """All texts of a session, in order."""
        transcript = self.get(f"/sessions/{key}/transcript?agent={agent}")
        return [str(entry["message"]["content"]) for entry in transcript["data"]]

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so that happens by itself."""
        until = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < until, self.said()
            time.sleep(0.05)  # what another process does has no event here


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Callable[..., Example]]:
    made: list[Example] = []

    def make(name: str, extra: dict[str, Any] | None = None) -> Example:
        made.append(Example(name, tmp_path, extra))
        return made[-1].start()

    yield make
    for one in made:
        one.kill()
