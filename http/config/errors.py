"""What is wrong with a configuration, as data: where, under which key, and what to do about it.

A problem never holds a value that may be secret, and always fits one line.
"""

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong.

    `file` is None where the fault lies outside of a file, in an argument or an environment
    variable, whose name is then the `key`; `line` counts from 1, and is None where the whole file
    is meant; `key` is empty where the fault is the file's syntax.
    """

    file: str | None
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigurationError(Exception):
    """The configuration cannot be used; `problems` says why, in the order of the file's lines."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))
