"""`greenroom store`: a look at the store's file, a copy of it, a smaller one. No gateway is asked.

The file is the one that `--store` names, else the configuration's.
"""

from pathlib import Path

import click

from greenroom.actors.stores.sqlite import maintenance
from greenroom.http.cli.options import CONFIG_HELP, STORE_HELP, load_configuration
from greenroom.http.cli.problem import Problem

_MEBIBYTE = 1024 * 1024


@click.group()
def store() -> None:
    """Work with the file that sessions are kept in."""


_STORE = click.option("--store", "file", metavar="PATH", help=STORE_HELP)
_CONFIG = click.option("--config", "path", metavar="FILE", help=CONFIG_HELP)


@store.command("check")
@_STORE
@_CONFIG
def check_store(file: str | None, path: str | None) -> None:
    """Say whether the store is whole; also while a gateway runs."""
    check(_find(file, path))


@store.command("backup")
@_STORE
@_CONFIG
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
def back_up_store(file: str | None, path: str | None, target: Path) -> None:
    """Copy the store as it is now to FILE; also while a gateway runs."""
    backup(_find(file, path), target)


@store.command("vacuum")
@_STORE
@_CONFIG
def vacuum_store(file: str | None, path: str | None) -> None:
    """Give the space of what was deleted back to the disk; while no gateway runs."""
    vacuum(_find(file, path))


def _find(named: str | None, path: str | None) -> Path:
    """Return the file that is named, else that of the configuration; raises Problem if there is none."""
    if named is not None:
        return Path(named).absolute()
    configured = load_configuration(path).store
    if configured is None:
        raise Problem("without a configuration file there is no store; name one with --store", 2)
    return configured


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
