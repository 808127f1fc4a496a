"""What the tests with real SDKs share: gateways as real processes, and clients for them.

Import the names from `tests.sdk.conftest`; pytest has it loaded before any test. A gateway here is
what a user starts: a process with its own folder and nothing of this environment, ended by SIGTERM.
A test waits for events on the wire, or with `until` for a line of a gateway's log.
"""

import asyncio
import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import httpx2
import pytest
import trio
from openai import AsyncOpenAI, BaseModel, Omit, OpenAI, omit
from openai.types.chat import ChatCompletionFunctionToolParam

from tests.processes import until

SCRIPTED = "openclaw:main"
"""The scripted model, as the default agent's own."""
THROUGH_UPSTREAM = "upstream/openclaw:main"
"""The scripted model of a second gateway, which the first one asks as its upstream."""

PATIENCE_S = 20.0
"""How long any one thing may take before its test fails; no passing test waits for so long."""

_SERVE = "from greenroom.http.cli.main import main; main()"
_CONFIGURATION = """\
// Written by the tests; JSON5, with a token from the environment.
{
  gateway: {
    auth: { mode: "token", token: "${TOKEN_OF_THE_TESTS}" },
    http: {
      endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } },
      limits: LIMITS,
    },
  },
  models: MODELS,
  agents: AGENTS,
  logging: { level: "info", format: "json" },
}
"""
_SCRIPTED = {"api": "scripted", "models": [{"id": "demo"}, {"id": "other"}]}
_AGENTS = {
    "defaults": {"model": {"primary": "scripted/demo"}},
    "entries": {
        "main": {},
        "beta": {"model": "scripted/other", "instructions": "You are brief and kind."},
    },
}


class Gateway:
    """One `greenroom serve`, from its start to its end."""

    def __init__(
        self,
        folder: Path,
        *,
        models: Mapping[str, object],
        agents: Mapping[str, object],
        limits: Mapping[str, float],
        environment: Mapping[str, str],
    ) -> None:
        folder.mkdir(parents=True)
        self._file = folder / "gateway.json5"
        self._limits = limits
        self.key = secrets.token_hex(16)
        self.url = ""
        self._out = folder / "out"
        self._err = folder / "err"
        self._write(models, agents)
        own = {"PATH": os.defpath, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        environment = own | {"TOKEN_OF_THE_TESTS": self.key} | dict(environment)
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-c", _SERVE, "serve", "--port", "0", "--config", "gateway.json5"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        try:
            self.url = until(self._announced, "the gateway's start")
        except BaseException:
            self.kill()
            raise

    def _write(self, models: Mapping[str, object], agents: Mapping[str, object]) -> None:
        text = _CONFIGURATION
        for name, part in {"MODELS": models, "AGENTS": agents, "LIMITS": self._limits}.items():
            text = text.replace(name, json.dumps(dict(part)))
        self._file.write_text(text, encoding="utf-8")

    def reload(self, models: Mapping[str, object], agents: Mapping[str, object]) -> None:
        """Have it take over others of both, and wait until it has."""
        reloads = len(self._reloaded)
        self._write(models, agents)
        self.process.send_signal(signal.SIGHUP)
        until(lambda: self._reloaded[reloads:] or None, "the reload")
        assert self._reloaded[-1]["needs_restart"] == []

    @property
    def _reloaded(self) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == "configuration.reloaded"]

    def _announced(self) -> str | None:
        assert self.process.poll() is None, f"the gateway did not start: {self.errors}"
        found = re.match(r"Greenroom listens on (http://\S+/v1)\n", self._out.read_text("utf-8"))
        return None if found is None else found[1]

    @property
    def errors(self) -> str:
        """All that stands on its standard error."""
        return self._err.read_text("utf-8")

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its log so far; a line that is still being written is not in it."""
        whole, _, _ = self.errors.rpartition("\n")
        # A path in it may hold what other line breaks there are.
        return [json.loads(line) for line in whole.split("\n") if line]

    def requests(self, **fields: object) -> list[dict[str, Any]]:
        """Return the log lines of the requests that have these fields, in the order of their ends."""
        wanted = {"event": "http.request"} | fields
        return [line for line in self.log if wanted.items() <= line.items()]

    def ended_request(self, **fields: object) -> dict[str, Any]:
        """Wait for the end of the one request that has these fields."""
        return until(lambda: next(iter(self.requests(**fields)), None), f"the end of {fields}")

    def live_sessions(self) -> Counter[str]:
        """Ask how many sessions are alive, by agent; agents without any are left out."""
        head = {"authorization": f"Bearer {self.key}"}
        with httpx2.Client(trust_env=False) as client:
            answer = client.get(f"{self.url.removesuffix('/v1')}/ready", headers=head)
        agents = answer.raise_for_status().json()["agents"]
        return +Counter({agent["id"]: agent["live_sessions"] for agent in agents})

    def wait_for_no_sessions(self) -> None:
        """Wait until no session is alive."""
        until(lambda: None if self.live_sessions() else True, "the end of all sessions")

    def descriptors(self) -> int:
        """Count its open file descriptors."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def wait_for_descriptors(self, most: int) -> None:
        """Wait until it has at most so many open file descriptors."""
        until(
            lambda: True if self.descriptors() <= most else None,
            f"no more than {most} descriptors; now {self.descriptors()}",
        )

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def end(self, *, expected: Collection[str] = ()) -> None:
        """End it, if it runs, and check that it had no trouble but what is `expected`."""
        self.terminate()
        try:
            status = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        assert "Traceback" not in self.errors
        troubles = [
            line
            for line in self.log
            if line["level"] not in {"info", "debug"} and line["event"] not in expected
        ]
        assert not troubles
        assert status == 0

    def kill(self) -> None:
        """End it whatever happens."""
        self.process.kill()
        self.process.wait()


class StartConfigured(Protocol):
    """Starts a gateway that the fixture ends: `models` and `agents` as a configuration has them.

    `limits` are its `gateway.http.limits`, `environment` what it finds there beside the usual.
    """

    def __call__(
        self,
        models: Mapping[str, object],
        agents: Mapping[str, object],
        *,
        limits: Mapping[str, float] = ...,
        environment: Mapping[str, str] = ...,
    ) -> Gateway: ...


class StartGateway(Protocol):
    """Starts one with the scripted model, and that of another gateway, its `upstream`."""

    def __call__(self, upstream: Gateway | None = None, **limits: float) -> Gateway: ...


@pytest.fixture(scope="session", autouse=True)
def _straight_to_loopback() -> Iterator[None]:
    """Let no proxy and no OpenAI account of this environment get into the way."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.lower().endswith("_proxy") or name.startswith("OPENAI_"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def start_configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartConfigured]:
    root = tmp_path_factory.mktemp("gateways")
    started: list[Gateway] = []

    def start(
        models: Mapping[str, object],
        agents: Mapping[str, object],
        *,
        limits: Mapping[str, float] = MappingProxyType({}),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Gateway:
        folder = root / str(len(started))
        started.append(
            Gateway(folder, models=models, agents=agents, limits=limits, environment=environment)
        )
        return started[-1]

    try:
        yield start
        # The last first: a gateway before its upstream.
        for gateway in reversed(started):
            if gateway.process.poll() is None:
                gateway.end()
    finally:
        for gateway in started:
            gateway.kill()


@pytest.fixture(scope="session")
def start_gateway(start_configured: StartConfigured) -> StartGateway:
    def start(upstream: Gateway | None = None, **limits: float) -> Gateway:
        providers: dict[str, object] = {"scripted": _SCRIPTED}
        environment: dict[str, str] = {}
        if upstream is not None:
            # Its script fails where it was told to, which is to be heard at once and each time.
            providers["upstream"] = {
                "baseUrl": upstream.url,
                "models": [{"id": "far"}],
                "retry": {"times": 0},
                "cooldown": {"failures": 0},
            }
            environment["UPSTREAM_API_KEY"] = upstream.key
        models = {"providers": providers}
        return start_configured(models, _AGENTS, limits=limits, environment=environment)

    return start


@pytest.fixture(scope="session")
def upstream(start_gateway: StartGateway) -> Gateway:
    return start_gateway()


@pytest.fixture(scope="session")
def gateway(start_gateway: StartGateway, upstream: Gateway) -> Gateway:
    return start_gateway(upstream)


@pytest.fixture(params=[SCRIPTED, THROUGH_UPSTREAM], ids=["scripted", "upstream"])
def model(request: pytest.FixtureRequest) -> str:
    """Both ways to the scripted model: in the gateway itself, and through the openai channel."""
    name: str = request.param
    return name


def client_of(gateway: Gateway, *, retries: int = 0) -> OpenAI:
    return OpenAI(
        base_url=gateway.url, api_key=gateway.key, max_retries=retries, timeout=PATIENCE_S
    )


def async_client_of(gateway: Gateway) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=PATIENCE_S)


@pytest.fixture(scope="session")
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with client_of(gateway) as opened:
        yield opened


@pytest.fixture
def fresh() -> str:
    """A name that no other test has: for a `user`, a session key, a request's id."""
    return f"fresh-{secrets.token_hex(8)}"


RunAsync = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=["asyncio", "trio"])
def run_async(request: pytest.FixtureRequest) -> RunAsync:
    """Both event loops of the asynchronous client."""

    def on_asyncio(test: Callable[[], Awaitable[None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE_S):
                await test()

        asyncio.run(bounded())

    def on_trio(test: Callable[[], Awaitable[None]]) -> None:
        async def bounded() -> None:
            with trio.fail_after(PATIENCE_S):
                await test()

        trio.run(bounded)

    return on_asyncio if request.param == "asyncio" else on_trio


def tell(
    client: OpenAI,
    text: str,
    *,
    model: str = SCRIPTED,
    user: str | Omit = omit,
    temperature: float | Omit = omit,
    extra_headers: Mapping[str, str] | None = None,
) -> str:
    """Return the answer to one user message; it has to be whole."""
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": text}],
        user=user,
        temperature=temperature,
        extra_headers=extra_headers,
    )
    choice = answer.choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.content is not None
    return choice.message.content


def request_id_of(answer: BaseModel) -> str | None:
    """Return an answer's request id; its underscore notwithstanding, the name is public."""
    return answer._request_id  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def reply(text: str, nth: str) -> str:
    """Return what the scripted model says to `text`."""
    return f'You said: "{text}" This is your {nth} message in this session.'


def function_tool(name: str, parameter: str) -> ChatCompletionFunctionToolParam:
    """Return a strict tool with one parameter, a string."""
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Tell about a {parameter}.",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {parameter: {"type": "string"}},
                "required": [parameter],
                "additionalProperties": False,
            },
        },
    }


WEATHER = function_tool("get_weather", "city")
TIME = function_tool("get_time", "zone")
