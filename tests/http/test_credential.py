"""Rules of the gateway's secret: what counts now, and what is said of it."""

import os
from pathlib import Path

import pytest

from greenroom.actors.settings import Secret
from greenroom.http.config import NoAuth, PasswordAuth, TokenAuth
from greenroom.http.credential import Credential
from tests.conftest import Lines


def in_file(file: Path) -> TokenAuth:
    return TokenAuth(Secret("at-the-start"), "file", file)


def test_a_secret_matches_itself_alone() -> None:
    credential = Credential(TokenAuth(Secret("s"), "configuration"))
    assert credential.needed
    assert credential.matches("s")
    assert not any(map(credential.matches, ["", "S", "s ", "ss", "ß", "\udcff"]))
    assert not Credential(NoAuth()).needed


def test_a_secret_in_a_file_counts_as_soon_as_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    credential = Credential(in_file(file))
    assert credential.matches("one")
    new = tmp_path / "new"
    new.write_text("two\n")
    new.replace(file)
    assert credential.matches("two")
    assert not credential.matches("one")
    file.write_text("three\n")
    os.utime(file, ns=(1, 1))
    assert credential.matches("three")


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"a\nb", b"x" * 5000])
def test_while_a_file_holds_no_secret_its_last_one_counts_and_the_log_says_so_once(
    tmp_path: Path, content: bytes | None
) -> None:
    file, lines = tmp_path / "token", Lines()
    file.write_text("the-secret")
    credential = Credential(in_file(file), lines.log)
    assert credential.matches("the-secret")
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    for _ in range(3):
        assert credential.matches("the-secret")
        assert not credential.matches("")
    (line,) = lines.all("auth.secret_kept")
    assert str(file) in line["reason"]
    assert "the-secret" not in lines.text
    file.write_text("the-next")
    assert credential.matches("the-next")


def test_a_secret_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("of-the-file")
    credential = Credential(PasswordAuth(Secret("a"), "environment"))
    credential.replace(in_file(file))
    assert credential.matches("of-the-file")
    credential.replace(TokenAuth(Secret("b"), "configuration"))
    assert credential.matches("b")
    assert not credential.matches("of-the-file")
