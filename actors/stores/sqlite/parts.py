"""What a transcript is made of: a session's own entries, and those that it has borrowed from others.

A session that was forked has entries of its source, and of the source's own sources. Each such part names
a session and what of it was there at that time, so reading never walks from fork to fork, and a source
may change or go. Nothing here writes.

An entry *stands* at its own number; a summary at the last number that it stands for, behind that.
"""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from greenroom.actors.stores.records import Fork
from greenroom.actors.stores.store import SourceMissing

END = 2**62
"""Above every number."""

_STANDS = "coalesce(upto, seq)"
_THERE = f"""
  session = :source AND seq > max(:base, :lower) AND seq <= :at AND (cut IS NULL OR cut > :at)
  AND {_STANDS} > :lower AND {_STANDS} <= :upper
"""
"""Which entries a part has. None stands behind its own number, so `lower` bounds both."""

IS_BORROWED = f"""
  EXISTS (
    SELECT 1 FROM borrowed b
    WHERE b.source = entry.session AND entry.seq <= b.at AND (entry.cut IS NULL OR entry.cut > b.at)
    AND {_STANDS} > b.lower AND {_STANDS} <= b.upper
  )
"""
"""Whether any session has borrowed an entry: the same, seen from the entry."""


class Part(NamedTuple):
    """The entries of `source` that stand above `lower` and up to `upper`, as it was at the head `at`.

    `cut` is the number at which the session that has the part cut it, None if it is live. Up to the
    number `base` none is live.
    """

    source: int
    lower: int
    upper: int
    at: int
    cut: int | None = None
    base: int = 0


class Window(NamedTuple):
    """A page of entries by number.

    These are the first `limit` behind `after`, or with `before` the last ones in front of that; a limit
    of -1 is none.
    """

    after: int = 0
    limit: int = -1
    before: int | None = None

    @property
    def where(self) -> str:
        """The end of a query's conditions, its order and its limit."""
        order = "ASC" if self.before is None else "DESC"
        return f"seq > :after AND seq < :before ORDER BY seq {order} LIMIT :limit"

    @property
    def values(self) -> dict[str, int]:
        """What that binds."""
        before = END if self.before is None else self.before
        return {"after": self.after, "before": before, "limit": self.limit}


WHOLE = Window()


class Row(NamedTuple):
    """An entry as it is kept."""

    seq: int
    turn: str
    upto: int | None
    cut: int | None
    body: bytes

    @property
    def stands(self) -> tuple[int, int]:
        """Where it stands among the entries of a prompt."""
        return (self.seq if self.upto is None else self.upto), self.seq


def own(session: int, base: int = 0, at: int = END) -> Part:
    """Return a session's own entries as one part."""
    return Part(session, 0, END, at, base=base)


def borrowed(db: sqlite3.Connection, session: int) -> list[Part]:
    """Read what a session has borrowed, and cut of it."""
    rows = db.execute(
        "SELECT source, lower, upper, at, cut FROM borrowed WHERE session = ? ORDER BY at, lower",
        (session,),
    )
    return [Part(*row) for row in rows]


def live(
    db: sqlite3.Connection, parts: Iterable[Part], above: int = 0, upto: int = END
) -> list[Row]:
    """Read the entries of live parts that stand above `above` and up to `upto`, as a prompt has them."""
    found: list[Row] = []
    for part in parts:
        if part.cut is None and part.upper > above and part.lower < upto:
            clipped = part._replace(lower=max(part.lower, above), upper=min(part.upper, upto))
            found += _read(db, clipped)
    return sorted(found, key=lambda row: row.stands)


def last_summary(db: sqlite3.Connection, parts: Iterable[Part]) -> Row | None:
    """Read the summary that reaches furthest, of several such the latest."""
    best: Row | None = None
    for part in parts:
        if part.cut is None:
            row = db.execute(
                f"SELECT seq, turn, upto, NULL, body FROM entry INDEXED BY entry_summary WHERE {_THERE} "
                "AND upto IS NOT NULL ORDER BY upto DESC, seq DESC LIMIT 1",
                part._asdict(),
            ).fetchone()
            found = None if row is None else Row(*row)
            if found is not None and (best is None or best.stands < found.stands):
                best = found
    return best


def is_any_live(db: sqlite3.Connection, parts: Iterable[Part], upto: int) -> bool:
    """Say whether an entry other than a summary stands up to `upto`."""
    return any(
        db.execute(
            f"SELECT 1 FROM entry WHERE {_THERE} AND upto IS NULL LIMIT 1",
            part._replace(upper=min(part.upper, upto))._asdict(),
        ).fetchone()
        for part in parts
        if part.cut is None
    )


def count(db: sqlite3.Connection, part: Part) -> int:
    """Count the entries of a part."""
    (counted,) = db.execute(
        f"SELECT count(*) FROM entry WHERE {_THERE}",
        part._asdict(),
    ).fetchone()
    return int(counted)


def all_of(
    db: sqlite3.Connection, parts: Iterable[Part], own: Part, page: Window, *, cut: bool
) -> list[Row]:
    """Read a page of entries by number: those of `parts` and of the session's `own` part.

    With `cut`, with what has been cut, each marked with the number of what cut it in this session.
    """
    found: list[Row] = []
    for part in parts:
        if part.cut is None or cut:
            found += (row._replace(cut=part.cut) for row in _read(db, part, page))
    found += _read_own(db, own, page) if cut else _read(db, own, page)
    found.sort(key=lambda row: row.seq)
    if page.before is None:
        return found[: page.limit]
    return found[max(len(found) - page.limit, 0) :]


def lent(db: sqlite3.Connection, source: int, fork: Fork) -> list[Part]:
    """Read the parts that a fork of `source` borrows.

    Raises:
        SourceMissing: the source has never been as the fork says.
    """
    began, head = db.execute("SELECT began, head FROM session WHERE id = ?", (source,)).fetchone()
    if not began <= fork.head <= head:
        raise SourceMissing(f"the session to fork from was never at {fork.head}")
    return [
        part._replace(upper=min(part.upper, fork.seq), cut=None)
        for part in (*borrowed(db, source), own(source, at=fork.head))
        if part.lower < fork.seq and (part.cut is None or part.cut > fork.head)
    ]


def _read(db: sqlite3.Connection, part: Part, page: Window = WHOLE) -> Iterable[Row]:
    rows = db.execute(
        f"SELECT seq, turn, upto, NULL, body FROM entry WHERE {_THERE} AND {page.where}",
        part._asdict() | page.values,
    )
    return map(Row._make, rows)


def _read_own(db: sqlite3.Connection, part: Part, page: Window) -> Iterable[Row]:
    rows = db.execute(
        "SELECT seq, turn, upto, CASE WHEN cut <= :at THEN cut END, body FROM entry "
        f"WHERE session = :source AND seq <= :at AND {page.where}",
        part._asdict() | page.values,
    )
    return map(Row._make, rows)
