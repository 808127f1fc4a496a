from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom.http.config import Configuration, load

Load = Callable[..., Configuration]
Problems = Callable[..., list[str]]


def test_without_a_file_sessions_live_in_memory(load_text: Load) -> None:
    assert load_text(None).store is None


def test_with_a_file_they_are_kept_in_the_users_folder_of_state(
    load_text: Load, tmp_path: Path
) -> None:
    assert load_text("{}").store == tmp_path / "home/.local/state/greenroom/greenroom.db"
    environ = {"OPENCLAW_GATEWAY_TOKEN": "t", "XDG_STATE_HOME": str(tmp_path / "state")}
    assert load_text("{}", environ=environ).store == tmp_path / "state/greenroom/greenroom.db"
    environ["XDG_STATE_HOME"] = "relative"
    stored = load_text("{}", environ=environ).store
    assert stored == tmp_path / "home/.local/state/greenroom/greenroom.db"


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("~/a/b.db", "home/a/b.db"),
        ("a/b.db", "folder/a/b.db"),
        ("../b.db", "folder/../b.db"),
        ("${WHERE}.db", "folder/there.db"),
    ],
)
def test_a_path_starts_at_the_configuration_files_folder_or_at_home(
    path: str, file: str, tmp_path: Path
) -> None:
    source = tmp_path / "folder" / "greenroom.json5"
    source.parent.mkdir()
    source.write_text(f"{{store: {{path: '{path}'}}}}")
    configuration = load(
        path="folder/greenroom.json5",
        environ={"OPENCLAW_GATEWAY_TOKEN": "t", "WHERE": "there"},
        cwd=tmp_path,
        home=tmp_path / "home",
    )
    assert configuration.store == tmp_path / file


def test_an_absolute_path_is_itself(load_text: Load) -> None:
    assert load_text("{store: {path: '/srv/g.db'}}").store == Path("/srv/g.db")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("''", "store.path: must not be empty"),
        ("7", "store.path: expected a string, got a number"),
        (r"'a\0b'", "store.path: is no path: it has a character that none has"),
    ],
)
def test_what_is_no_path_is_refused(problems_of: Problems, path: str, problem: str) -> None:
    (line,) = problems_of(f"{{store: {{path: {path}}}}}")
    assert line.split(": ", 1)[1].startswith(problem)
