"""The tables of docs/failures.md, read as what they promise."""

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[3] / "docs" / "failures.md"

_TELLING = re.compile(r"(\d{3})(?: `(\w+)`|, its own code)")
_CODE = re.compile(r"`(\w+)`")
_LIMIT = re.compile(r"–|at once|([\d.]+) s of waits|`timeouts\.(\w+)`: ([\d.]+) s")

OWN_CODE = "its own code"


class Telling(NamedTuple):
    """How a failure is told; `code` may be `OWN_CODE`, which is the upstream's."""

    status: int
    code: str


class Row(NamedTuple):
    """What the page says of one thing that an upstream may do.

    `before` is None where the client gets the answer; `after` is the code of the event, None where the
    thing cannot happen then. `again` and `fallback` are whether the same model, and another one, is asked
    after it. It is told after `waits` seconds of retries, or after the time limit `limit`, a key of a
    provider's `timeouts`, which is `seconds` by default; or `at_leisure`.
    """

    before: Telling | None
    after: str | None
    again: bool
    fallback: bool
    waits: float = 0.0
    limit: str | None = None
    seconds: float = 0.0
    at_leisure: bool = False


class Manner(NamedTuple):
    """How a failure of one code is told: the message begins with `start`, unless that is empty."""

    type: str
    start: str
    sdk_tries_again: bool


def rows() -> dict[str, Row]:
    """Return the first table by its first column."""
    return {label: _row(*cells) for label, *cells in _table("What the upstream does")}


def manners() -> dict[Telling, Manner]:
    """Return the second table."""
    found: dict[Telling, Manner] = {}
    for status, code, type_, start, again in _table("Status"):
        known = _CODE.fullmatch(code)
        start_ = "" if start == "the upstream's words" else start.strip("`")
        telling = Telling(int(status), known[1] if known else OWN_CODE)
        found[telling] = Manner(type_.strip("`"), start_, _yes(again))
    return found


def defaults() -> dict[str, float]:
    """Return the settings whose defaults the page's text names, as `retry.times` (2)."""
    found = re.findall(r"`([\w.]+)`\s\((\d+)\)", PAGE.read_text("utf-8"))
    return {name: float(value) for name, value in found}


def names_in(table: str) -> list[str]:
    """Return what stands in code marks in the first column of the table with that heading."""
    return [name for first, *_ in _table(table) for name in re.findall(r"`([\w.]+)`", first)]


def _table(heading: str) -> list[list[str]]:
    """Return the cells of the rows below the table's head."""
    lines = iter(PAGE.read_text("utf-8").splitlines())
    for line in lines:
        if line.startswith(f"| {heading} |"):
            break
    else:
        raise AssertionError(f"no table begins with {heading!r}")
    assert set(next(lines)) == {"|", "-"}
    found: list[list[str]] = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def _row(before: str, after: str, again: str, fallback: str, limit: str) -> Row:
    told = _TELLING.fullmatch(before)
    assert told or before == "the answer", before
    event = _CODE.fullmatch(after)
    assert event or after == "–", after
    when = _LIMIT.fullmatch(limit)
    assert when, limit
    return Row(
        before=Telling(int(told[1]), told[2] or OWN_CODE) if told else None,
        after=event[1] if event else None,
        again=_yes(again),
        fallback=_yes(fallback),
        waits=float(when[1] or 0),
        limit=when[2],
        seconds=float(when[3] or 0),
        at_leisure=limit == "–",
    )


def _yes(cell: str) -> bool:
    assert cell in {"yes", "no"}, cell
    return cell == "yes"
