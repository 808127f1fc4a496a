"""No verb looks through a table: each finds its rows by an index, however many there are."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from greenroom.actors.entries import SummaryEntry
from greenroom.actors.stores.records import Fence, Fork, Query
from greenroom.actors.stores.sqlite import (
    appends,
    forgetting,
    listing,
    moving,
    opening,
    reads,
)
from tests.actors.stores.conftest import NAME, OTHER, accepted, finished

IN_ORDER = re.compile(r"SCAN s(ession)? USING (COVERING )?INDEX session_by_activity")
"""Looking through this index is how the latest or the idlest are found, and ends with the page."""


def begin(db: sqlite3.Connection) -> tuple[Fence, Fence]:
    """Two sessions, the second a fork of the first; what each may be appended with."""
    fence = appends.accept(db, NAME, Fence(), accepted(idempotency="key"))
    fence, _ = appends.end(db, NAME, fence, (finished(),))
    fence, _ = appends.compact(db, NAME, fence, "t1", SummaryEntry("1"), 3)
    other = appends.accept(db, OTHER, Fence(), accepted("u1"), fork=Fork(NAME, 9, fence.head))
    return fence, other


def append(db: sqlite3.Connection, fence: Fence, other: Fence) -> None:
    fence = appends.accept(db, NAME, fence, accepted("t2"))
    fence, _ = appends.end(db, NAME, fence, (finished("t2", cut_from=2),))
    appends.reset(db, NAME, fence, 2000.0)
    appends.end(db, OTHER, other, (finished("u1", cut_from=1),))


def read(db: sqlite3.Connection, _: Fence, __: Fence) -> None:
    for name in (NAME, OTHER):
        reads.load(db, name)
        reads.earlier(db, name)
        reads.find(db, name, "key")
        reads.find_again(db, name, b"same")
        reads.turn(db, name, "t1")
        reads.transcript(db, name, 0, None, 100, cut=True)
        reads.transcript(db, name, 3, None, 100, cut=False)
        reads.transcript(db, name, 0, 9, 100, cut=False)
        reads.until(db, name, "t1")
        listing.info(db, name)
    reads.find_turn(db, "t1")


def list_all(db: sqlite3.Connection, _: Fence, __: Fence) -> None:
    for agent in (None, "main"):
        listing.page(db, Query(agent))
        listing.page(db, Query(agent, active_since=1.0, active_before=2000.0, after="5000.0-1"))


def list_few(db: sqlite3.Connection, _: Fence, __: Fence) -> None:
    for agent in (None, "main"):
        listing.page(db, Query(agent, prefix="agent:"))


def delete(db: sqlite3.Connection, _: Fence, __: Fence) -> None:
    forgetting.delete(db, NAME)
    forgetting.delete(db, OTHER)


def retain(db: sqlite3.Connection, _: Fence, __: Fence) -> None:
    forgetting.forget(db, 5000.0, 10)
    forgetting.delete_passed(db, 5000.0, 10)
    forgetting.delete_idle(db, 5000.0, 5000.0, 10)
    forgetting.delete_over(db, 1, 5000.0, 10)


def move(db: sqlite3.Connection, _: Fence, __: Fence) -> None:
    begun = moving.begin(db, OTHER)
    moving.turns(db, begun, 0)
    moving.entries(db, begun, 0)


@pytest.mark.parametrize("work", [append, read, list_all, list_few, delete, retain, move])
def test_no_verb_looks_through_a_table(
    work: Callable[[sqlite3.Connection, Fence, Fence], None],
) -> None:
    with closing(opening.open_in_memory()) as db:
        fences = begin(db)
        statements: list[str] = []
        db.set_trace_callback(statements.append)
        work(db, *fences)
        db.set_trace_callback(None)
        plans = {
            statement: [str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
            for statement in set(statements)
            if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))
        }
    assert plans
    for statement, steps in plans.items():
        for step in steps:
            scans = step.startswith("SCAN") and not step.startswith(("SCAN store", "SCAN (sub"))
            assert not scans or IN_ORDER.match(step), f"{step} in {statement}"
            if work is not list_few:
                # At most the few rows of one session are sorted.
                assert "ORDER BY" not in step or "borrowed" in statement, f"{step} in {statement}"
