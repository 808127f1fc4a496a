"""How each gateway is started in front of an upstream, on a core of its own, and how it is asked.

Each has what it needs for these loads and no more, and the log that it writes by default goes nowhere.
Peers come from virtual environments of their own, which the command line names.
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, assert_never

import msgspec

from bench.http.load import NotAnswered, Target, ask_once
from bench.http.plan import MODELS, Name
from bench.store.timing import hold_to_core

ROOT = Path(__file__).resolve().parents[2]

_TOKEN = "0123456789abcdef" * 2
_START = 120.0
"""Seconds in which a gateway has to answer; LiteLLM takes a sixth of them."""

_GREENROOM = """{
  gateway: { auth: { mode: "token" }, http: { endpoints: { chatCompletions: { enabled: true } } } },
  models: { providers: { up: { api: "openai-completions", baseUrl: "http://127.0.0.1:%d/v1",
    apiKey: "none", maxConcurrent: 4096, models: [%s] } } },
  agents: { defaults: { model: "up/whole" } },
  sessions: { idleSeconds: 0.5 },
  store: { path: "store.db" },
}"""
_GREENROOM_CODE = "from greenroom.http.cli.main import main; main()"

_TENSORZERO = """
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true
"""
_TENSORZERO_MODEL = """
[models.{0}]
routing = ["up"]
[models.{0}.providers.up]
type = "openai"
api_base = "http://127.0.0.1:{1}/v1/"
model_name = "{0}"
api_key_location = "none"
"""
_TENSORZERO_CODE = """
import sys, tensorzero
gateway = tensorzero._start_http_gateway(
    config_file="tensorzero.toml", clickhouse_url=None, postgres_url=None, valkey_url=None,
    async_setup=False,
)
print(gateway.base_url, flush=True)
sys.stdin.read()
"""
"""Its wheel has no command: this starts the gateway that its own SDK starts."""


class Running(msgspec.Struct, frozen=True):
    """A gateway that answers; `pid` is the root of its processes."""

    name: Name
    pid: int
    target: Target

    @property
    def base(self) -> str:
        """The URL that its paths stand behind."""
        return self.target.url.rpartition("/v1/")[0]


@contextmanager
def upstream() -> Generator[int]:
    """Run the upstream on the core of the clients; yields its port."""
    hold_to_core(-1)
    with _process([sys.executable, "-m", "bench.http.upstream"], ROOT) as process:
        yield int(_line(process, rb"\d+"))


@contextmanager
def running(name: Name, venvs: Mapping[Name, Path], port: int, folder: Path) -> Generator[Running]:
    """Run a gateway of the upstream at `port`; `folder` is its own.

    Raises:
        NotAnswered: it did not come up.
    """
    python = str(venvs[name] / "bin" / "python") if name in venvs else sys.executable
    headers = {"authorization": f"Bearer {_TOKEN}"}
    hold_to_core(0)
    with _started(name, python, port, folder) as process:
        hold_to_core(-1)
        match name:
            case "floor":
                url = f"http://127.0.0.1:{int(_line(process, rb'[0-9]+'))}/v1"
                target = Target(f"{url}/chat/completions")
            case "greenroom":
                url = _line(process, rb"http://\S+?/v1")
                target = Target(f"{url}/chat/completions", headers, "up/")
            case "tensorzero":
                url = _line(process, rb"http://\S+").rstrip("/")
                target = Target(f"{url}/chat/completions", {}, "tensorzero::model_name::")
            case "litellm":
                port_of_it = (folder / "port").read_text("ascii")
                target = Target(f"http://127.0.0.1:{port_of_it}/v1/chat/completions", headers)
            case _:
                assert_never(name)
        _wait(process, target)
        yield Running(name, process.pid, target)


@contextmanager
def _started(
    name: Name, python: str, port: int, folder: Path
) -> Generator["subprocess.Popen[bytes]"]:
    environ = {"OPENCLAW_GATEWAY_TOKEN": _TOKEN}
    match name:
        case "floor":
            with _process([python, "-m", "bench.http.floor", str(port)], ROOT) as process:
                yield process
        case "greenroom":
            models = ", ".join(f'{{ id: "{model}" }}' for model in MODELS)
            (folder / "greenroom.json5").write_text(_GREENROOM % (port, models), "utf-8")
            arguments = ["serve", "--port", "0", "--config", "greenroom.json5"]
            with _process([python, "-c", _GREENROOM_CODE, *arguments], folder, environ) as process:
                yield process
        case "tensorzero":
            parts = [_TENSORZERO, *(_TENSORZERO_MODEL.format(model, port) for model in MODELS)]
            (folder / "tensorzero.toml").write_text("".join(parts), "utf-8")
            with _process([python, "-c", _TENSORZERO_CODE], folder) as process:
                yield process
        case "litellm":
            url = f"http://127.0.0.1:{port}/v1"
            entries = [
                {
                    "model_name": model,
                    "litellm_params": {"model": f"openai/{model}", "api_base": url, "api_key": "x"},
                }
                for model in MODELS
            ]
            # Its YAML takes JSON.
            text = msgspec.json.encode(
                {"model_list": entries, "general_settings": {"master_key": _TOKEN}}
            )
            (folder / "litellm.yaml").write_bytes(text)
            (folder / "port").write_text(str(_free_port()), "ascii")
            command = str(Path(python).parent / "litellm")
            where = ["--host", "127.0.0.1", "--port", (folder / "port").read_text("ascii")]
            quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
            settings = ["--config", "litellm.yaml", "--telemetry", "False"]
            with _process([command, *settings, *where], folder, quiet, talks=False) as process:
                yield process


@contextmanager
def _process(
    command: list[str],
    folder: Path,
    environ: Mapping[str, str] | None = None,
    *,
    talks: bool = True,
) -> Generator["subprocess.Popen[bytes]"]:
    with (
        (folder / "errors").open("ab") if folder != ROOT else _nowhere() as errors,
        subprocess.Popen(  # noqa: S603 - our own programs, and peers that the user named
            command,
            cwd=folder,
            env=_environ() | dict(environ or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if talks else subprocess.DEVNULL,
            stderr=errors,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def _environ() -> dict[str, str]:
    """Return this process's own; who has to compile all its modules first has more in memory."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _nowhere() -> IO[bytes]:
    return Path(os.devnull).open("ab")


def _line(process: "subprocess.Popen[bytes]", pattern: bytes) -> str:
    """Return the first thing that a process says in this form."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    for line in process.stdout:
        if found := re.search(pattern, line):
            return found.group().decode()
    raise NotAnswered(f"it ended with status {process.wait()} before it was up")


def _wait(process: "subprocess.Popen[bytes]", target: Target) -> None:
    until = time.monotonic() + _START
    while True:
        try:
            return ask_once(target, "whole")
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise NotAnswered("it did not come up") from None
            time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
