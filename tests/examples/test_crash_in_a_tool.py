"""A gateway that dies while a tool runs: its session goes on, and the tool is not called again."""

from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from greenroom.actors.transcript import CUT_OFF
from tests.examples.conftest import Example

PROGRAM = '''
from pathlib import Path

import trio

from greenroom.actors.app import Agent, tool

CALLS = Path(__file__).with_name("calls")


@tool
async def work() -> str:
    """Work for long."""
    with CALLS.open("a") as file:
        file.write("called\\n")
    await trio.sleep(600)
    return "done"


agent = Agent(tools=[work])
'''


def test_a_kill_in_the_middle_of_a_tool(example: Callable[..., Example], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM, "utf-8")
    served = example("")
    chunks = served.stream("[call work {}]")
    assert next(chunks)["greenroom"]["type"] == "tool.started"
    served.wait_for((tmp_path / "calls").exists)
    served.kill()
    with pytest.raises(httpx2.TransportError):
        list(chunks)
    served.start()
    assert "2nd message" in served.say("Hello")
    assert (tmp_path / "calls").read_text("utf-8") == "called\n"
    said = served.said()
    assert said[0] == "[call work {}]"
    assert said[2] == CUT_OFF
    served.end()
