"""Rules of the log: JSON or a person's lines, by level, and never a crash for what is logged."""

import io
import json

import pytest

from greenroom.actors.settings import Secret
from greenroom.http.config import Logging, LogLevel
from greenroom.http.logs import open_log


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def lines(to: io.BytesIO) -> list[str]:
    return to.getvalue().decode().splitlines()


def test_json_is_one_object_a_line_with_level_and_time() -> None:
    to = io.BytesIO()
    open_log(Logging(format="json"), to).info("a.b", number=1, text="ä\n")
    (line,) = lines(to)
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {"event": "a.b", "level": "info", "number": 1, "text": "ä\n"}


def test_auto_is_json_for_a_file_and_lines_for_a_terminal() -> None:
    file, terminal = io.BytesIO(), Terminal()
    for to in (file, terminal):
        open_log(Logging(format="auto"), to).info("a.b", number=1)
    json.loads(lines(file)[0])
    assert "\x1b[" in lines(terminal)[0]


def test_a_person_gets_a_line_with_its_event_and_values() -> None:
    to = io.BytesIO()
    open_log(Logging(format="console"), to).warning("a.b", number=1)
    (line,) = lines(to)
    assert "warning" in line
    assert "a.b" in line
    assert "number=1" in line
    assert "\x1b[" not in line


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("silent", []),
        ("fatal", ["critical"]),
        ("error", ["error", "critical"]),
        ("warn", ["warning", "error", "critical"]),
        ("info", ["info", "warning", "error", "critical"]),
        ("debug", ["debug", "info", "warning", "error", "critical"]),
        ("trace", ["debug", "info", "warning", "error", "critical"]),
    ],
)
def test_a_level_lets_through_itself_and_what_is_worse(level: LogLevel, heard: list[str]) -> None:
    to = io.BytesIO()
    log = open_log(Logging(level, "json"), to)
    for name in ("debug", "info", "warning", "error", "critical"):
        getattr(log, name)("x")
    assert [json.loads(line)["level"] for line in lines(to)] == heard


@pytest.mark.parametrize("level", ["info", "trace"])
def test_an_exception_is_told_in_its_line(level: LogLevel) -> None:
    to = io.BytesIO()
    log = open_log(Logging(level, "json"), to)
    log.error("failed", exc_info=ValueError("because"))
    (line,) = lines(to)
    assert "because" in json.dumps(json.loads(line)["exception"])


def test_a_value_that_is_no_json_is_shown_as_it_shows_itself() -> None:
    to = io.BytesIO()
    open_log(Logging(format="json"), to).info("x", secret=Secret("hidden"), odd={1, 2}.__class__)
    assert json.loads(lines(to)[0])["secret"] == "Secret(…)"
    assert "hidden" not in to.getvalue().decode()


@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_text_that_has_no_utf_8_is_logged_all_the_same(format_: str) -> None:
    to = io.BytesIO()
    settings = Logging(format="json" if format_ == "json" else "console")
    open_log(settings, to).info("x", text="\ud800")
    assert len(lines(to)) == 1


def test_a_line_break_in_a_value_makes_no_second_line() -> None:
    to = io.BytesIO()
    open_log(Logging(format="console"), to).info("http.request", path="/a\nb", agent="\x1b[2J")
    assert len(lines(to)) == 1
    assert "\x1b" not in to.getvalue().decode()
