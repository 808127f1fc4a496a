"""`greenroom store`: a look at the store's file, a copy of it, a smaller one. No gateway is asked.

The file is the one that `--store` names, else the configuration's.
"""

from collections.abc import Callable
from pathlib import Path

import click

from greenroom.actors.stores.sqlite import maintenance
from greenroom.http.cli.problem import Problem
from greenroom.http.config import Configuration

_MEBIBYTE = 1024 * 1024


def find_store(named: str | None, configure: Callable[[], Configuration]) -> Path:
    """Return the file that is named, else that of the configuration; raises Problem if there is none."""
    path = configure().store if named is None else Path(named).absolute()
    if path is None:
        raise Problem("without a configuration file there is no store; name one with --store", 2)
    return path


def check(path: Path) -> None:
    """Tell what is wrong with a store's file, or that nothing is.

    Raises:
        CannotOpen: it cannot be read at all.
        Problem: something is wrong, which has been told.
    """
    report = maintenance.check(path)
    for problem in report.problems:
        click.echo(f"{path}: {problem}")
    if report.problems:
        raise Problem(f"{path} is not sound; keep a copy of it, and restore a backup", 1)
    click.echo(
        f"{path}: ok; {report.sessions} sessions, {report.turns} turns, {report.entries} entries, "
        f"{_size(report.size)}"
    )


def backup(path: Path, target: Path) -> None:
    """Copy a store's file as it is now; raises CannotOpen."""
    click.echo(f"{target}: {_size(maintenance.backup(path, target))}")


def vacuum(path: Path) -> None:
    """Make a store's file smaller; raises CannotOpen."""
    before, after = maintenance.vacuum(path)
    click.echo(f"{path}: {_size(before)} before, {_size(after)} now")


def _size(size: int) -> str:
    return f"{size / _MEBIBYTE:.1f} MiB"
