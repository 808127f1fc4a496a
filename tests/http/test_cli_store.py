"""`greenroom store`: what is done with the store's file, and one line where it cannot be."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import trio

from greenroom.actors.entries import UserEntry
from greenroom.actors.stores.records import AcceptedTurn, Fence, SessionName
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.http.cli.main import run

Cli = Callable[..., tuple[int, str, str]]
NAME = SessionName("main", "it")


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in an empty folder: its status, its output, its errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENCLAW_GATEWAY_TOKEN", "token")
    for name in ("GREENROOM_CONFIG", "OPENCLAW_CONFIG_PATH", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def cli(*arguments: str) -> tuple[int, str, str]:
        status = run(arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return cli


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store that has a session."""
    path = tmp_path / "some.db"

    async def fill() -> None:
        async with SqliteStore.open(path) as store:
            added = (UserEntry("Hi"),)
            turn = AcceptedTurn("t1", 1.0, b"", None, "m", 1, True, None, added)
            await store.accept(NAME, Fence(), turn)

    trio.run(fill)
    return path


def test_check_tells_what_there_is(cli: Cli, path: Path) -> None:
    status, out, err = cli("store", "check", "--store", "some.db")
    assert (status, err) == (0, "")
    assert out == f"{path}: ok; 1 sessions, 1 turns, 0 entries, 0.1 MiB\n"


def test_check_tells_each_problem_on_a_line(cli: Cli, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE session SET size = 1, turns = 7")
    status, out, err = cli("store", "check", "--store", str(path))
    assert status == 1
    assert [line.startswith(f"{path}: session 'it'") for line in out.splitlines()] == [True, True]
    assert err == f"greenroom: {path} is not sound; keep a copy of it, and restore a backup\n"


def test_backup_copies_and_does_not_overwrite(cli: Cli, path: Path, tmp_path: Path) -> None:
    status, out, err = cli("store", "backup", "--store", str(path), "copy.db")
    assert (status, out, err) == (0, "copy.db: 0.1 MiB\n", "")
    assert cli("store", "check", "--store", "copy.db")[0] == 0
    status, out, err = cli("store", "backup", "--store", str(path), "copy.db")
    assert (status, out) == (2, "")
    assert err.startswith("greenroom: copy.db is there already")


def test_vacuum_tells_the_sizes(cli: Cli, path: Path) -> None:
    status, out, err = cli("store", "vacuum", "--store", str(path))
    assert (status, err) == (0, "")
    assert out == f"{path}: 0.1 MiB before, 0.1 MiB now\n"


def test_while_the_store_is_used_it_is_looked_at_and_copied_but_not_vacuumed(
    cli: Cli, path: Path
) -> None:
    async def main() -> None:
        async with SqliteStore.open(path):
            assert cli("store", "check", "--store", str(path))[0] == 0
            assert cli("store", "backup", "--store", str(path), "copy.db")[0] == 0
            status, out, err = cli("store", "vacuum", "--store", str(path))
            assert (status, out) == (2, "")
            assert "is in use by another Greenroom" in err

    trio.run(main)


@pytest.mark.parametrize("command", [["check"], ["vacuum"], ["backup", "copy.db"]])
def test_the_store_is_the_configurations_unless_one_is_named(
    command: list[str], cli: Cli, path: Path, tmp_path: Path
) -> None:
    status, out, err = cli("store", *command)
    assert (status, out) == (2, "")
    assert "without a configuration file there is no store" in err
    (tmp_path / "greenroom.json5").write_text("{store: {path: 'some.db'}}")
    assert cli("store", *command)[0] == 0
    (tmp_path / "greenroom.json5").write_text("{}")
    status, out, err = cli("store", *command)
    assert (status, out) == (2, "")
    there = tmp_path / "home/.local/state/greenroom/greenroom.db"
    assert err == f"greenroom: there is no store {there}; name one with --store\n"


@pytest.mark.parametrize("command", [["check"], ["vacuum"], ["backup", "copy.db"]])
@pytest.mark.parametrize("content", [b"", b"x", b"no database" * 1000])
def test_what_is_no_store_is_one_line_and_status_2(
    command: list[str], content: bytes, cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "other.db").write_bytes(content)
    status, out, err = cli("store", *command, "--store", "other.db")
    assert (status, out) == (2, "")
    assert err.startswith("greenroom: ")
    assert err.count("\n") == 1
    assert (tmp_path / "other.db").read_bytes() == content
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("arguments", [["store"], ["store", "backup"], ["store", "nonsense"]])
def test_a_mistake_is_told(arguments: list[str], cli: Cli) -> None:
    assert cli(*arguments)[0] == 2
