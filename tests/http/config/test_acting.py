"""What an agent may do is its own, or the defaults', whole."""

from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom.actors.entries import Sampling
from greenroom.actors.settings import Bounds
from greenroom.actors.tools.toolbox import ToolPolicy
from greenroom.http.config import Configuration

Load = Callable[..., Configuration]
Problems = Callable[..., list[str]]

ALL = """{
  tools: {allow: ["files_*"], deny: ["*_write"], approve: ["files_delete"]},
  limits: {steps: 5, tokens: 1000, cost: 0.5},
  sampling: {temperature: 0.5, maxTokens: 100},
  approvalHours: 2, askSeconds: 9, reminders: true, asks: ["B"],
}"""


def test_an_agent_has_the_defaults_or_its_own(load_text: Load) -> None:
    text = f"{{agents: {{defaults: {ALL}, entries: {{a: {{}}, b: {{tools: {{}}, asks: []}}}}}}}}"
    a, b = load_text(text).house.agents
    policy = ToolPolicy(("files_*",), ("*_write",), ("files_delete",))
    assert (a.tools, b.tools) == (policy, ToolPolicy())
    assert a.bounds == b.bounds == Bounds(5, 1000, 0.5)
    assert a.sampling == Sampling(temperature=0.5, max_tokens=100)
    assert (a.approval_expires, a.ask_seconds, a.reminds) == (7200.0, 9.0, True)
    assert (a.asks, b.asks) == (("b",), ())


def test_nobody_asks_itself_by_the_defaults(load_text: Load) -> None:
    text = "{agents: {defaults: {asks: ['a', 'b']}, entries: {a: {}, b: {}, c: {}}}}"
    assert [agent.asks for agent in load_text(text).house.agents] == [("b",), ("a",), ("a", "b")]


def test_whoever_is_asked_has_to_be_there(problems_of: Problems) -> None:
    text = "{agents: {entries: {a: {asks: ['a']}, b: {asks: ['a', 'x']}}}}"
    found = problems_of(text)
    assert [line.partition(" ")[2] for line in found] == [
        "agents.entries.a.asks[0]: no agent to ask; there are: b",
        "agents.entries.b.asks[1]: no agent to ask; there are: a",
    ]


def test_instructions_may_be_in_a_file_beside(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "who.md").write_bytes("Be kind. ö\n".encode())
    (agent,) = load_text("{agents: {defaults: {instructionsFile: 'who.md'}}}").house.agents
    assert agent.instructions == "Be kind. ö"


@pytest.mark.parametrize(
    ("instructions", "agent", "problem"),
    [
        (b"x", "{instructionsFile: 'gone.md'}", "cannot be read: No such file or directory"),
        (b"\xff", "{instructionsFile: 'who.md'}", "is no UTF-8 text"),
        (b"x" * 1_048_577, "{instructionsFile: 'who.md'}", "is larger than 1048576 bytes"),
        (b"x", "{instructionsFile: 'who.md', instructions: 'y'}", "leave one of the two out"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem(
    problems_of: Problems, tmp_path: Path, instructions: bytes, agent: str, problem: str
) -> None:
    (tmp_path / "who.md").write_bytes(instructions)
    [found] = problems_of(f"{{agents: {{entries: {{a: {agent}}}}}}}")
    assert problem in found
    assert "agents.entries.a.instructionsFile" in found
