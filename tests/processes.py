"""A gateway as a process of its own, from a configuration to its last word."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar

from greenroom.http.config.json5 import read

T = TypeVar("T")

PATIENCE_S = 30.0
TOKEN = "the-secret-of-this-gateway-0123456789"
SERVE = [sys.executable, "-c", "from greenroom.http.cli.main import main; main()", "serve"]


def until(found: Callable[[], T | None], what: str) -> T:
    """Return the first value of `found` that is not None."""
    deadline = time.monotonic() + PATIENCE_S
    while (value := found()) is None:
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain for {what}"
        time.sleep(0.01)
    return value


def configuration(
    limits: Mapping[str, float] = MappingProxyType({}),
    *,
    gateway: Mapping[str, object] = MappingProxyType({}),
    http: Mapping[str, object] = MappingProxyType({}),
    **more: object,
) -> str:
    """A configuration with the endpoint on and the scripted model."""
    own = {"endpoints": {"chatCompletions": {"enabled": True}}, "limits": dict(limits), **http}
    written = {
        "gateway": {"auth": {"mode": "token", "token": TOKEN}, **gateway, "http": own},
        "store": {"path": "store.db"},
        "logging": {"level": "info", "format": "json"},
        **more,
    }
    text = json.dumps(written, indent=1)
    read(text)
    return text


class Process:
    """One `greenroom serve`: `with Process(…) as gateway`."""

    def __init__(
        self, folder: Path, text: str | None = None, *arguments: str, port: int = 0
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        if text is not None:
            (folder / "greenroom.json5").write_text(text, encoding="utf-8")
        name = f"{time.monotonic_ns()}"
        self._out, self._err = folder / f"out-{name}", folder / f"err-{name}"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [*SERVE, "--port", str(port), *arguments],
                cwd=folder,
                env={"PATH": os.defpath, "HOME": str(folder), "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def printed(self) -> str:
        """What stands on its standard output."""
        return self._out.read_text("utf-8")

    @property
    def errors(self) -> str:
        """What stands on its standard error."""
        return self._err.read_text("utf-8")

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its log so far; a line that is still being written is not in it."""
        whole, _, _ = self.errors.rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == event]

    def wait_for_print(self, pattern: str) -> re.Match[str]:
        """Wait for a line on its standard output."""

        def found() -> re.Match[str] | None:
            match = re.search(pattern, self.printed, re.MULTILINE)
            assert match or self.process.poll() is None, self.errors
            return match

        return until(found, pattern)

    @property
    def port(self) -> int:
        """Where it listens, once it is up."""
        found = self.wait_for_print(r"^Greenroom listens on https?://127\.0\.0\.1:(\d+)/v1$")
        return int(found[1])

    def memory(self) -> int:
        """The bytes that it holds in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert found
        return int(found[1]) * 1024

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def sockets(self) -> int:
        """How many sockets it has open; files not, as its store opens more where sessions are read."""
        found = 0
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found += str(entry.readlink()).startswith("socket:")
        return found

    def send(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, within: float = PATIENCE_S) -> int:
        """Wait for its end; its status."""
        return self.process.wait(within)

    def end(self) -> None:
        """End it, which it does without a word of trouble."""
        self.send(signal.SIGTERM)
        assert self.wait() == 0, self.errors
        assert "Traceback" not in self.errors
