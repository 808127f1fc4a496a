"""Each test of the kernel names the rules that it holds, and each rule is held by a test."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__)
SEMANTICS = HERE.parents[2] / "docs" / "semantics.md"
RULES: list[str] = re.findall(r"^\| \*\*([A-Z]\d+)\*\* \|", SEMANTICS.read_text("utf-8"), re.M)
FILES = [file for file in sorted(HERE.parent.glob("test_*.py")) if file != HERE]


def found_in(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            yield node


def rules_of(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Read what `@pytest.mark.rule("M1", …)` names; it takes words and nothing else."""
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.rule":
            yield from (ast.literal_eval(argument) for argument in mark.args)


def test_no_rule_has_the_number_of_another() -> None:
    assert RULES
    assert len(RULES) == len(set(RULES))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_test_of_the_kernel_names_rules_that_there_are(file: Path) -> None:
    named = {test.name: set(rules_of(test)) for test in found_in(file)}
    assert named
    assert [test for test, rules in named.items() if not rules] == []
    assert {test: rules for test, rules in named.items() if rules - set(RULES)} == {}


HELD = {rule for file in FILES for test in found_in(file) for rule in rules_of(test)}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_held_by_a_test(rule: str) -> None:
    assert rule in HELD
