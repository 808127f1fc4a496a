"""Turns over HTTP: a gateway of its own on one core, and its clients on another."""

import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import trio

from bench.store.matter import name_of
from bench.store.plan import Figures, Subject
from bench.store.timing import Spans, cpu_of, hold_to_core, timed
from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.transport.direct import Direct
from greenroom.actors.settings import TimeLimits

TURNS_A_SESSION = 16
"""After so many a client begins another session."""
_TOKEN = "0123456789abcdef" * 2
_CONFIGURATION = """{
  gateway: { auth: { mode: "token" }, http: { endpoints: { chatCompletions: { enabled: true } } } },
  store: { path: "store.db" },
}"""
_BODY = {
    "model": "scripted/demo",
    "stream": True,
    "messages": [{"role": "user", "content": "[say Yes.] Who is to see to the boats?"}],
}
_GATEWAY = "from greenroom.http.cli.main import main; main()"


class NotAnswered(Exception):  # noqa: N818 - a fact about the gateway
    """What was read is no whole answer."""


@contextmanager
def _gateway(folder: Path) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Run the gateway in `folder` on the core that this process is on; yields it and its URL."""
    (folder / "greenroom.json5").write_text(_CONFIGURATION, "utf-8")
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", _GATEWAY, "serve", "--port", "0", "--config", "greenroom.json5"],
        cwd=folder,
        env=os.environ | {"OPENCLAW_GATEWAY_TOKEN": _TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            url = ""
            while process.stdout is not None and not url:
                line = process.stdout.readline()
                found = re.search(r"http://\S+(?=/v1)", line)
                url = found.group() if found else ""
                if not line:
                    raise NotAnswered
            yield process, url
        finally:
            process.terminate()


async def take(folder: Path, subject: Subject, clients: int, turns: int) -> Figures:
    """Take turns from so many clients at once, one after the other for each; times are in ms.

    The CPU time is the gateway's.
    """
    hold_to_core(0)
    with _gateway(folder) as (process, url):
        hold_to_core(-1)
        client = _Client(url, kept=subject == "durable")
        await client.all(clients, max(1, turns // clients // 10), Spans())
        before = cpu_of(process.pid)
        figures = await timed(partial(client.all, clients, turns // clients), turns, 1e-3)
        after = cpu_of(process.pid)
        await client.aclose()
    if before is None or after is None:
        del figures["cpu"]
        return figures
    return figures | {"cpu": (after - before) / turns * 1e3}


class _Client:
    """Asks over connections that it keeps; each of its turns sends what is new."""

    def __init__(self, url: str, *, kept: bool) -> None:
        self._url = f"{url}/v1/chat/completions"
        self._kept = kept
        self._sessions = 0
        self._transport = Direct("bench", TimeLimits())
        self._body = msgspec.json.encode(_BODY)

    async def all(self, clients: int, turns: int, spans: Spans) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(clients):
                nursery.start_soon(self._some, turns, spans)

    async def _some(self, turns: int, spans: Spans) -> None:
        headers: dict[str, str] = {}
        for number in range(turns):
            if number % TURNS_A_SESSION == 0:
                headers = self._headers()
            with spans.one():
                await self._ask(headers)

    def _headers(self) -> dict[str, str]:
        headers = {"authorization": f"Bearer {_TOKEN}", "content-type": "application/json"}
        if self._kept:
            self._sessions += 1
            headers["x-openclaw-session-key"] = name_of(self._sessions).key
        return headers

    async def _ask(self, headers: dict[str, str]) -> None:
        request = HttpRequest(self._url, headers, self._body)
        body = bytearray()
        async with self._transport.open(request) as answer:
            while data := await answer.read():
                body += data
        if answer.status != 200 or not body.endswith(b"data: [DONE]\n\n"):
            raise NotAnswered(bytes(body))

    async def aclose(self) -> None:
        await self._transport.aclose()
