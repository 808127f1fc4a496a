from pathlib import Path

import pytest

from greenroom.http.config import ConfigurationError, Problem, find, load


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    return folder(tmp_path / "work")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return folder(tmp_path / "home")


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def test_without_a_file_there_is_none(cwd: Path, home: Path) -> None:
    assert find(environ={}, cwd=cwd, home=home) is None


def test_the_order_is_argument_variables_working_directory_user_folder(
    cwd: Path, home: Path
) -> None:
    environ = {"GREENROOM_CONFIG": "ours.json5", "OPENCLAW_CONFIG_PATH": "theirs.json5"}
    expected: list[tuple[Path, str | None, dict[str, str]]] = [
        (written(home / ".config/greenroom/greenroom.json5"), None, {}),
        (written(cwd / "greenroom.json5"), None, {}),
        (written(cwd / "theirs.json5"), None, {"OPENCLAW_CONFIG_PATH": "theirs.json5"}),
        (written(cwd / "ours.json5"), None, environ),
        (written(cwd / "argument.json5"), "argument.json5", environ),
    ]
    while expected:
        file, path, variables = expected.pop()
        assert find(path=path, environ=variables, cwd=cwd, home=home) == file
        file.unlink()


def test_the_user_folder_is_xdg_config_home_if_that_is_absolute(cwd: Path, home: Path) -> None:
    file = written(home / "xdg/greenroom/greenroom.json5")
    assert find(environ={"XDG_CONFIG_HOME": str(home / "xdg")}, cwd=cwd, home=home) == file
    written(cwd / "relative/greenroom/greenroom.json5")
    assert find(environ={"XDG_CONFIG_HOME": "relative"}, cwd=cwd, home=home) is None
    assert find(environ={"XDG_CONFIG_HOME": ""}, cwd=cwd, home=home) is None


def test_a_tilde_is_the_home_folder(cwd: Path, home: Path) -> None:
    file = written(home / "a/b.json5")
    assert find(path="~/a/b.json5", environ={}, cwd=cwd, home=home) == file
    assert find(environ={"GREENROOM_CONFIG": "~/a/b.json5"}, cwd=cwd, home=home) == file


def test_an_empty_name_names_nothing(cwd: Path, home: Path) -> None:
    assert find(path="", environ={"GREENROOM_CONFIG": ""}, cwd=cwd, home=home) is None


@pytest.mark.parametrize(
    ("path", "environ", "key"),
    [
        ("no.json5", {}, "--config"),
        (None, {"GREENROOM_CONFIG": "no.json5"}, "GREENROOM_CONFIG"),
        (None, {"OPENCLAW_CONFIG_PATH": "no.json5"}, "OPENCLAW_CONFIG_PATH"),
    ],
)
def test_a_named_file_has_to_be_there(
    path: str | None, environ: dict[str, str], key: str, cwd: Path, home: Path
) -> None:
    written(cwd / "greenroom.json5")
    with pytest.raises(ConfigurationError) as caught:
        find(path=path, environ=environ, cwd=cwd, home=home)
    assert caught.value.problems == (Problem(None, None, key, 'there is no file "no.json5"'),)


def test_a_path_that_is_none_is_an_error_of_its_own(cwd: Path, home: Path) -> None:
    with pytest.raises(ConfigurationError, match="--config: there is no file"):
        find(path="a\0b", environ={}, cwd=cwd, home=home)


def test_a_folder_cannot_be_read(cwd: Path, home: Path) -> None:
    folder(cwd / "greenroom.json5")
    with pytest.raises(ConfigurationError) as caught:
        load(environ={}, cwd=cwd, home=home)
    assert str(caught.value) == "greenroom.json5: cannot be read: Is a directory"


def test_a_file_is_named_as_seen_from_the_working_directory(cwd: Path, home: Path) -> None:
    for path, shown in [
        (cwd / "greenroom.json5", "greenroom.json5"),
        (cwd / "sub/x.json5", "sub/x.json5"),
        (home / "x.json5", str(home / "x.json5")),
    ]:
        written(path).write_text("{\n]")
        with pytest.raises(ConfigurationError) as caught:
            load(path=str(path), environ={}, cwd=cwd, home=home)
        assert [problem.file for problem in caught.value.problems] == [shown]
