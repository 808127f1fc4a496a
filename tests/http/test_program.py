"""Rules of a program whose configuration is read again: its code stays, what it leaves open does not."""

from functools import partial
from pathlib import Path

import pytest

from greenroom.http.cli.program import Program
from greenroom.http.config import Configuration, ConfigurationError, load

PROGRAM = """
from greenroom.actors.app import Agent, tool

@tool
def dice() -> int:
    "Throw a dice."
    return 4

agent = Agent("dealer", instructions="Deal.", tools=[dice])
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    (tmp_path / "app.py").write_text(PROGRAM, encoding="utf-8")
    return Program(str(tmp_path / "app.py"))


def read(folder: Path, model: str) -> Configuration:
    text = f'{{agents: {{defaults: {{model: "{model}"}}, entries: {{main: {{}}}}}}}}'
    (folder / "greenroom.json5").write_text(text, encoding="utf-8")
    environ = {"OPENAI_API_KEY": "k", "OPENCLAW_GATEWAY_TOKEN": "t"}
    return load(environ=environ, cwd=folder, home=folder)


def test_what_is_read_again_is_the_same_as_long_as_nothing_changes(
    program: Program, tmp_path: Path
) -> None:
    once, again = (program.added_to(read(tmp_path, "openai/a")).house for _ in range(2))
    assert once == again


def test_what_an_agent_of_it_leaves_open_is_what_the_defaults_say_now(
    program: Program, tmp_path: Path
) -> None:
    before, after = (program.added_to(read(tmp_path, f"openai/{name}")).house for name in "ab")
    (agent,) = (agent for agent in after.agents if agent.id == "dealer")
    assert (agent.model, agent.instructions) == ("openai/b", "Deal.")
    assert before.kits["dealer"] is after.kits["dealer"]


def test_a_configuration_that_it_does_not_fit_cannot_be_used(tmp_path: Path) -> None:
    text = PROGRAM.replace('"dealer",', '"dealer", model="openai/a",')
    (tmp_path / "app.py").write_text(text, encoding="utf-8")
    program = Program(str(tmp_path / "app.py"))
    found = program.read_with(partial(read, tmp_path, "openai/a"))
    assert "dealer" in {agent.id for agent in found.house.agents}

    def without_openai() -> Configuration:
        return load(environ={}, cwd=tmp_path / "none", home=tmp_path / "none")

    with pytest.raises(ConfigurationError) as caught:
        program.read_with(without_openai)
    (problem,) = caught.value.problems
    assert "no provider has the model 'openai/a'" in str(problem)
