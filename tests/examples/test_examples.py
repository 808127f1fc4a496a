"""Each example does what it says, served by a process as its first line tells."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from greenroom.http.cli.main import run
from tests.examples.conftest import ROOT, TOKEN, Example

Serve = Callable[..., Example]


def test_the_first_example_is_ten_lines_and_its_tool_is_called(example: Serve) -> None:
    served = example("dice")
    assert served.say('[call dice {"sides": 1}]') == "dice said: 1"
    code = (ROOT / "examples" / "dice.py").read_text("utf-8").split('"""', 2)[2]
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 10
    served.end()


def test_a_team_of_three_asks_one_another(example: Serve) -> None:
    served = example("team")
    question = '[call look_up {"topic": "trio"}]'
    call = json.dumps({"agent_id": "researcher", "message": question})
    answer = served.say(f"[call ask_agent {call}]", "openclaw:editor")
    assert "Trio is a library for structured concurrency." in answer
    [asked] = [
        session
        for session in served.get("/sessions?agent=researcher")["data"]
        if session["key"].startswith("agent:researcher:subagent:")
    ]
    assert served.said(asked["key"], "researcher")[0] == question
    served.end()


def test_a_human_approval_outlives_a_crash(example: Serve) -> None:
    served = example("approval")
    told = served.say('[call pay {"to": "Ada", "amount": 3}]')
    [errand] = served.get("/errands")["data"]
    assert told.startswith(f"[Approval {errand['id']} is needed: pay")
    served.kill()
    served.start()
    assert served.get("/errands")["data"] == [errand]
    served.post(f"/errands/{errand['id']}/decision", {"approves": True, "by": "Bob"})
    served.wait_for(lambda: "Ada has got 3." in served.said())
    assert any("Bob has approved the call of pay." in text for text in served.said())
    served.wait_for(lambda: served.get("/errands")["data"] == [])
    served.end()


def test_a_reminder_wakes_its_session_though_the_gateway_was_down(example: Serve) -> None:
    served = example("reminder")
    served.say('[call remind {"text": "Feed the cat.", "in_seconds": 0.5}]')
    served.kill()
    served.start()
    served.wait_for(lambda: "[Reminder] Feed the cat." in served.said())
    served.end()


def test_answers_of_a_form_have_it_or_are_an_error(example: Serve) -> None:
    served = example("city")
    wanted = {"name": "Rome", "inhabitants": 3}
    assert json.loads(served.say(f"[say {json.dumps(wanted)}]")) == wanted
    body = {"model": "openclaw", "messages": [{"role": "user", "content": "[say In Rome.]"}]}
    answer = httpx2.post(
        f"{served.url}/v1/chat/completions",
        json=body,
        headers={"authorization": f"Bearer {TOKEN}"},
        trust_env=False,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "invalid_output")
    served.end()


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("x = 1\n", "has no agent"),
        ("import nowhere\n", ":1: ModuleNotFoundError: No module named 'nowhere'"),
        ("x = (\n", ":1: SyntaxError: '(' was never closed"),
    ],
)
def test_a_file_that_is_no_program_is_refused_in_one_line(
    code: str, problem: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "app.py"
    file.write_text(code, "utf-8")
    assert run(["serve", str(file)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert problem in err


NOTES = str(ROOT / "examples" / "notes_server.py")


def write_and_read(served: Example) -> None:
    served.wait_for(lambda: "There are" in served.say('[call notes_write {"text": "Buy milk."}]'))
    assert "Buy milk." in served.say("[call notes_read {}]")


def test_a_server_of_tools_is_a_child_of_the_gateway(example: Serve) -> None:
    servers = {"notes": {"command": sys.executable, "args": [NOTES]}}
    served = example("reminder", {"mcp": {"servers": servers}})
    write_and_read(served)
    served.end()


def test_or_it_is_talked_to_over_http(example: Serve) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    servers = {"notes": {"url": f"http://127.0.0.1:{port}/mcp"}}
    with subprocess.Popen(  # noqa: S603 - our own example
        [sys.executable, NOTES, str(port)], stderr=subprocess.DEVNULL
    ) as process:
        try:
            served = example("reminder", {"mcp": {"servers": servers}})
            write_and_read(served)
            served.end()
        finally:
            process.kill()
