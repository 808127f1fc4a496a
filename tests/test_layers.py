"""Imports run one way, runtime ← actors ← http, and files stay small enough to read."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("runtime", "actors", "http")
SOURCES = [file for layer in LAYERS for file in sorted((ROOT / layer).rglob("*.py"))]
KERNEL_MAY_IMPORT = {"trio", "msgspec", "structlog"} | sys.stdlib_module_names


def imports(layer: str) -> Iterator[tuple[str, str]]:
    """Every module that a file of `layer` names in an import, with the file that does."""
    for file in (ROOT / layer).rglob("*.py"):
        where = str(file.relative_to(ROOT))
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((where, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.module, f"{where}: a relative import; imports are absolute here"
                assert node.level == 0, f"{where}: a relative import; imports are absolute here"
                # `from greenroom import http` names the layer among what it imports.
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from ((where, name) for name in names)


def test_the_kernel_imports_its_three_libraries_and_nothing_above_it() -> None:
    wrong = [
        (where, name)
        for where, name in imports("runtime")
        if name.split(".")[0] not in KERNEL_MAY_IMPORT and not name.startswith("greenroom.runtime.")
    ]
    assert not wrong


def test_the_actors_know_nothing_of_http() -> None:
    wrong = [
        (where, name)
        for where, name in imports("actors")
        if f"{name}.".startswith("greenroom.http.")
    ]
    assert not wrong


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_has_at_most_400_lines(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= 400


def test_the_http_folder_leaves_the_standard_library_its_name() -> None:
    assert not (ROOT / "http" / "__init__.py").exists()


def test_every_folder_with_sources_is_packaged() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        named = set(tomllib.load(file)["tool"]["setuptools"]["packages"])
    found = {".".join(("greenroom", *file.relative_to(ROOT).parent.parts)) for file in SOURCES}
    assert found
    assert found <= named
