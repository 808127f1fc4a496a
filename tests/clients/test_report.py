"""What a script may say, and when the whole is well."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.libraries import LIBRARIES, SCRIPTS, Api, Library
from tests.clients.report import Line, Outcome, Run, read, table

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
LIBRARY = Library("a", "A library", ("a-library[extra]>=1",), "a.py", apis=("chat",))
GOOD = (Line("one", ok=True), Line("two", ok=True))
CHANNELS = ("openai", "ollama")


def said(stdout: str, status: int = 0, stderr: str = "") -> Run:
    return read("openai", "chat", subprocess.CompletedProcess([], status, stdout, stderr))


def told(*runs: Run) -> list[str]:
    return list(Outcome(LIBRARY, "1.2", runs).troubles)


def good(channel: str, api: Api = "chat") -> Run:
    return Run(channel, api, GOOD)


def test_all_is_well_when_every_check_passes_on_every_channel() -> None:
    assert told(good("openai"), good("ollama")) == []


def test_a_check_that_fails_is_told_with_its_error() -> None:
    lines = [{"name": "one", "ok": True}, {"name": "two", "ok": False, "error": "E: no"}]
    run = said("\n".join(map(json.dumps, lines)))
    assert told(run) == ["chat, openai: two: E: no"]


def test_a_script_that_breaks_off_is_told_with_what_it_said() -> None:
    run = said('{"name": "one", "ok": true}\n', 1, "Traceback: no such module")
    assert told(run) == ["chat, openai: exit status 1\nTraceback: no such module"]


@pytest.mark.parametrize("line", ["hello", '{"name": "one"}', "[]"])
def test_a_script_prints_nothing_but_checks(line: str) -> None:
    [trouble] = told(said(line))
    assert trouble.startswith("chat, openai: it printed what is no check: ")


def test_a_script_without_a_check_is_not_well() -> None:
    assert told(said("")) == ["chat, openai: no check was run"]


def test_a_channel_may_not_have_fewer_checks() -> None:
    runs = good("openai"), Run("ollama", "chat", GOOD[:1])
    assert told(*runs) == ["chat: the channels did not have the same checks"]


def test_the_table_counts_for_each_channel() -> None:
    broken = Run("ollama", "chat", (Line("one", ok=False, error="x"),), "exit status 1")
    *_, one, other = table(
        [Outcome(LIBRARY, "1.2", [good("openai"), broken]), Outcome(LIBRARY, "–", trouble="x")],
        CHANNELS,
    )
    assert one == "| A library | 1.2 | chat | 2 of 2 | 0 of 1, broken off |"
    assert other == "| A library | – | chat | not run | not run |"


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("a-library[extra]>=1", "a-library"),
        ("ai@>=7", "ai"),
        ("@ai-sdk/openai", "@ai-sdk/openai"),
        ("@ai-sdk/openai@4", "@ai-sdk/openai"),
    ],
)
def test_a_library_is_called_what_its_first_requirement_names(requirement: str, name: str) -> None:
    assert LIBRARY._replace(packages=(requirement,)).name == name


def test_every_script_is_run() -> None:
    shared = {"checks.py", "checks.mjs"}
    scripts = {file.name for file in SCRIPTS.iterdir() if file.suffix in {".py", ".mjs"}}
    assert scripts - shared == {library.script for library in LIBRARIES}
    assert len({library.id for library in LIBRARIES}) == len(LIBRARIES)


def test_the_page_tells_of_every_library_in_full() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text("utf-8").splitlines()
        if re.search(r"\| (chat|responses) \|", line)
    ]
    told = [(title, api) for title, _, api, *_ in rows]
    assert told == [(library.title, api) for library in LIBRARIES for api in library.apis]
    for _, version, _, *passed in rows:
        assert re.fullmatch(r"\d+(\.\d+)+", version)
        assert len(passed) == 3
        assert all(re.fullmatch(r"(\d+) of \1", cell) for cell in passed)
