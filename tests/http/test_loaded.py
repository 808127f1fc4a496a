"""A gateway loads what it is configured for, and nothing that it can do without."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

CODE = """
import atexit, sys
atexit.register(lambda: print("loaded:", *sys.modules, flush=True))
from greenroom.http.cli.main import main
main()
"""
GATEWAY = "auth: { mode: 'token' }, http: { endpoints: { chatCompletions: { enabled: true } } }"
UPSTREAM = """up: {{ api: "{api}", baseUrl: "{url}", apiKey: "none", models: [{{ id: "m" }}] }}"""
UNNEEDED = {
    "anyio",  # with mcp
    "cryptography",
    "greenroom.actors.channels.anthropic",
    "greenroom.actors.channels.transport.proxied",
    "greenroom.http.openapi",
    "greenroom.http.responses.endpoint",
    "flask",
    "httpx2",
    "jinja2",
    "jsonschema",
    "mcp",
    "pydantic",
    "pygments",
    "quart",
    "rich",
    "werkzeug",
}


def loaded(folder: Path, api: str, url: str, **environ: str) -> set[str]:
    """The modules of a gateway of one upstream that was started, asked for something, and stopped."""
    upstream = UPSTREAM.format(api=api, url=url)
    file = folder / "greenroom.json5"
    file.write_text(
        f"{{ gateway: {{ {GATEWAY} }}, models: {{ providers: {{ {upstream} }} }}, "
        'agents: { defaults: { model: "up/m" } } }'
    )
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", CODE, "serve", "--port", "0", "--config", str(file)],
        cwd=folder,
        env={
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "OPENCLAW_GATEWAY_TOKEN": "t" * 32,
            **environ,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = next(filter(None, (re.search(r"http://\S+?:\d+", s) for s in process.stdout)))
        url = f"{address[0]}/v1/chat/completions"
        assert httpx2.post(url, trust_env=False).status_code == 401
        process.send_signal(signal.SIGTERM)
        last = process.stdout.read().splitlines()[-1]
    assert last.startswith("loaded: ")
    return set(last.split()[1:])


def test_a_gateway_loads_nothing_that_it_does_without(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "openai-completions", "http://127.0.0.1:9/v1")
    assert "greenroom.actors.channels.openai.adapter" in modules
    assert UNNEEDED & modules == set()


@pytest.mark.parametrize(
    ("api", "url", "environ", "needed"),
    [
        ("anthropic-messages", "http://h", {}, "greenroom.actors.channels.anthropic"),
        ("ollama", "http://h", {"HTTP_PROXY": "http://proxy:1"}, "httpx2"),
        ("ollama", "https://h", {}, "httpx2"),
    ],
)
def test_what_its_configuration_asks_for_is_loaded_before_the_first_request(
    tmp_path: Path, api: str, url: str, environ: dict[str, str], needed: str
) -> None:
    modules = loaded(tmp_path, api, url, **environ)
    assert needed in modules
