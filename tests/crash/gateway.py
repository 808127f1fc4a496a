"""A gateway of many lives: one folder, one port, one store's file, and whatever happens in between.

It knows processes, and nothing of what is said. Each wait here has a bound.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx2
import msgspec
import trio

from greenroom.actors.stores.sqlite.transactions import Point
from greenroom.http.cli import store as store_command
from tests.crash import launcher
from tests.crash.launcher import Begun, Doomed, Ended, Order, Whole
from tests.upstreams.api import KEY
from tests.upstreams.upstream import Upstream

PATIENCE_S = 30.0
"""How long any one thing may take before its test fails."""

_CONFIGURATION = """\
{
  gateway: {
    auth: { mode: "token", token: "${TOKEN_OF_THE_TESTS}" },
    http: { endpoints: { chatCompletions: { enabled: true } }, limits: LIMITS },
  },
  models: { providers: { upstream: PROVIDER } },
  agents: { entries: { main: { model: MODEL } } },
  sessions: SESSIONS,
  store: { path: "sessions.db" },
  logging: { level: "info", format: "json" },
}
"""
_NONE: Mapping[str, object] = MappingProxyType({})
_LISTENS = b"Greenroom listens on "


class Gateway:
    """One gateway before one upstream; `open` makes it, and nothing of it is left after that.

    `deaths` counts the lives that have ended, however they did.
    """

    def __init__(self, folder: Path, key: str, port: int, process: trio.Process) -> None:
        self.key = key
        self.url = f"http://127.0.0.1:{port}/v1"
        self.store = folder / "sessions.db"
        self.deaths = 0
        self._folder = folder
        self._port = port
        self._launcher = process
        self._read = bytearray()
        self._pid: int | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        upstream: Upstream,
        *,
        model: str = "m",
        limits: Mapping[str, object] = _NONE,
        sessions: Mapping[str, object] = _NONE,
    ) -> AsyncGenerator["Gateway"]:
        """Prepare one in `folder`, whose agent has that model of the upstream's; it does not run yet."""
        provider = {"api": "openai-completions", "baseUrl": f"{upstream.root}/v1", "apiKey": KEY}
        text = _CONFIGURATION.replace("MODEL", json.dumps(f"upstream/{model}"))
        for name, part in {"LIMITS": limits, "PROVIDER": provider, "SESSIONS": sessions}.items():
            text = text.replace(name, json.dumps(dict(part)))
        (folder / launcher.CONFIGURATION).write_text(text, encoding="utf-8")
        key = secrets.token_hex(16)
        with (folder / "log").open("wb") as log:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-P", launcher.__file__],
                stdin=-1,
                stdout=-1,
                stderr=log,
                cwd=folder,
                start_new_session=True,
                env={
                    "PATH": os.defpath,
                    "HOME": str(folder),
                    "LC_ALL": "C.UTF-8",
                    "TOKEN_OF_THE_TESTS": key,
                },
            )
        gateway = cls(folder, key, _free_port(), process)
        try:
            yield gateway
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + PATIENCE_S):
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
                for stream in (process.stdin, process.stdout):
                    if stream is not None:
                        await stream.aclose()

    # One life

    async def begin(self, doom: tuple[Point, int] | None = None) -> None:
        """Begin a life; `doom` orders its end, at a point of a write that comes for the nth time."""
        assert self._pid is None, "one life at a time"
        order: Order = Whole(self._port) if doom is None else Doomed(self._port, *doom)
        assert self._launcher.stdin is not None
        await self._launcher.stdin.send_all(msgspec.json.encode(order) + b"\n")
        self._pid = msgspec.json.decode(await self._line(), type=Begun).pid

    async def is_up(self) -> bool:
        """Return True once it takes requests, False if it has ended before."""
        line = await self._line()
        if line.startswith(_LISTENS):
            return True
        self._has_ended(msgspec.json.decode(line, type=Ended))
        return False

    async def start(self) -> None:
        """Begin a life, and wait until it takes requests."""
        await self.begin()
        assert await self.is_up(), f"it did not start:\n{self.errors[-2000:]}"

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it, if it is alive still."""
        assert self._pid is not None, "it has been begun"
        with suppress(ProcessLookupError):
            os.kill(self._pid, number)

    async def ended(self) -> int:
        """Wait for the end of a life, and return its status."""
        line = await self._line()
        while line.startswith(_LISTENS):
            line = await self._line()
        return self._has_ended(msgspec.json.decode(line, type=Ended))

    async def kill(self) -> None:
        """End it where it stands."""
        self.send(signal.SIGKILL)
        assert await self.ended() == -signal.SIGKILL

    async def stop(self) -> None:
        """End it in order."""
        self.send(signal.SIGTERM)
        assert await self.ended() == 0, self.errors[-2000:]

    def _has_ended(self, ended: Ended) -> int:
        self._pid = None
        self.deaths += 1
        return ended.status

    # What there is to be seen of it

    @property
    def errors(self) -> str:
        """All that its lives have written to standard error."""
        return (self._folder / "log").read_text("utf-8")

    def troubles(self) -> list[str]:
        """Return what its lives have logged that is more than information."""
        lines = self.errors.splitlines()
        return [line for line in lines if not _is_information(line)]

    def http(self) -> httpx2.AsyncClient:
        """Return a client of it, to be entered."""
        head = {"authorization": f"Bearer {self.key}"}
        return httpx2.AsyncClient(
            base_url=self.url, headers=head, trust_env=False, timeout=PATIENCE_S
        )

    def check_store(self) -> str | None:
        """Have `greenroom store check` look at what is left on the disk; return what it finds wrong.

        It looks at a copy, so that the next life finds the files as the last one left them.
        """
        copy = self._folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for suffix in ("", "-wal"):
            file = self.store.with_name(self.store.name + suffix)
            if file.exists():
                shutil.copyfile(file, copy / file.name)
        said = StringIO()
        try:
            with redirect_stdout(said):
                store_command.check(copy / self.store.name)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is wrong
            return f"{error}\n{said.getvalue()}"
        return None

    # How it is heard

    async def _line(self) -> bytes:
        assert self._launcher.stdout is not None
        with trio.fail_after(PATIENCE_S):
            while (end := self._read.find(b"\n")) < 0:
                more = await self._launcher.stdout.receive_some()
                assert more, f"the launcher has ended:\n{self.errors[-2000:]}"
                self._read += more
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        return line


def _is_information(line: str) -> bool:
    try:
        record: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return False
    return record.get("level") in {"info", "debug"}


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
