"""What reading a configuration brings to light: problems, and keys that have no effect here.

Problems are collected, so that one run shows them all, or as many as anyone will read. A problem at
a key silences later ones at the same key and below it: those would only be its echo.
"""

from typing import NamedTuple

from greenroom.http.config.errors import ConfigurationError, Problem
from greenroom.http.config.nodes import KeyPath, Value, locate, render, shown

MAX_PROBLEMS = 50
"""How many problems are collected before reading gives up."""


class IgnoredKey(NamedTuple):
    """A key of the existing product that means nothing here, and its line."""

    key: str
    line: int


class Findings:
    """The findings of one file, or of none: `file` is its name for people, `root` what it says."""

    def __init__(self, file: str | None = None, root: Value | None = None) -> None:
        self._file = file
        self._root = root
        self._problems: list[Problem] = []
        self._blamed: set[KeyPath] = set()
        self._ignored: dict[IgnoredKey, None] = {}

    @property
    def ignored(self) -> tuple[IgnoredKey, ...]:
        """The keys without effect, in the order of the file."""
        return tuple(sorted(self._ignored, key=lambda found: found.line))

    def line(self, path: KeyPath) -> int | None:
        """Return the line of `path`, or of what is there of it."""
        return None if self._root is None else locate(self._root, path)[0]

    def shown(self, path: KeyPath) -> str:
        """Quote the leaf at `path` as the file has it, before any variable was filled in."""
        return "nothing" if self._root is None else shown(locate(self._root, path)[1])

    def problem(self, path: KeyPath, message: str) -> None:
        """Note that the value at `path` is wrong, or that a value is missing there."""
        if any(path[:length] in self._blamed for length in range(len(path) + 1)):
            return
        self._blamed.add(path)
        self._add(Problem(self._file, self.line(path), render(path), message))

    def repeated(self, path: KeyPath, line: int) -> None:
        """Note that the key at `path` is there again on `line`."""
        message = f"given twice; the first is on line {self.line(path)}"
        self._add(Problem(self._file, line, render(path), message))

    def outside(self, name: str, message: str) -> None:
        """Note that the argument or environment variable `name` is wrong."""
        self._add(Problem(None, None, name, message))

    def ignore(self, path: KeyPath) -> None:
        """Note that the key at `path` has no effect."""
        self._ignored[IgnoredKey(render(path), self.line(path) or 0)] = None

    def within(self, path: KeyPath) -> bool:
        """Tell whether a problem is known at `path`, above it or below it."""
        return any(blamed[: len(path)] == path[: len(blamed)] for blamed in self._blamed)

    def raise_problems(self) -> None:
        """Raise `ConfigurationError` if there is any problem, else do nothing."""
        if self._problems:
            problems = sorted(self._problems, key=lambda problem: problem.line or 0)
            raise ConfigurationError(tuple(problems))

    def _add(self, problem: Problem) -> None:
        self._problems.append(problem)
        if len(self._problems) == MAX_PROBLEMS:
            self.raise_problems()
