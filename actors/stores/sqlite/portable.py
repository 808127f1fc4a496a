"""A session as JSON Lines, version 1: what a line is, and when lines can be a session again. Pure.

The first line is a `session` with its name, head and times. Then come its `turn`s, then its `entry`s,
both in the order of their numbers, and the `end`, which counts them, so that a cut file is known.
Each line is an object whose `type` is one of these words. Bytes are base64, times Unix seconds.

A turn's end has its entries among the `entry` lines, numbered behind its own `end_seq`; what the turn
added is there as well if `accepted.added` is empty: its first `adds` entries are that.
"""

from collections.abc import Iterable, Sequence

import msgspec

from greenroom.actors.entries import SummaryEntry, TranscriptEntry
from greenroom.actors.stores.records import (
    AcceptedTurn,
    StoredEntry,
    TurnEnd,
    TurnState,
)
from greenroom.actors.stores.sqlite.inspection import broken_calls
from greenroom.actors.stores.sqlite.parts import END

VERSION = 1


class SessionLine(msgspec.Struct, frozen=True, tag="session"):
    """What comes first; `head` is the last number that the session has given."""

    version: int
    agent: str
    key: str
    head: int
    created: float
    active: float
    reset: float | None = None
    attributes: bytes | None = None


class TurnLine(msgspec.Struct, frozen=True, tag="turn", omit_defaults=True):
    """A turn; `end` is without its entries."""

    seq: int
    accepted: AcceptedTurn
    adds: int = 0
    end_seq: int | None = None
    end_entries: int = 0
    end: TurnEnd | None = None
    forgotten: bool = False


class EntryLine(msgspec.Struct, frozen=True, tag="entry", omit_defaults=True):
    """An entry."""

    seq: int
    turn: str
    entry: TranscriptEntry | SummaryEntry
    cut: int | None = None
    upto: int | None = None


class EndLine(msgspec.Struct, frozen=True, tag="end"):
    """What comes last."""

    turns: int
    entries: int


Line = SessionLine | TurnLine | EntryLine | EndLine

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


class Session(msgspec.Struct, frozen=True):
    """What the lines of one session say."""

    head: SessionLine
    turns: tuple[TurnLine, ...]
    entries: tuple[EntryLine, ...]


def encode(line: Line) -> bytes:
    """Return a line with its line break."""
    return _encoder.encode(line) + b"\n"


def decode(text: bytes, number: int) -> Line:
    """Return what a line says; raises ValueError, naming it by its `number`."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"line {number} is none of an exported session: {error}") from None


def session_of(lines: Sequence[Line]) -> Session:
    """Return the session that `lines` are, if they are one.

    Raises:
        ValueError: they are not, and why.
    """
    if not lines or not isinstance(lines[0], SessionLine):
        raise ValueError("an exported session begins with a line of type 'session'")
    head, last = lines[0], lines[-1]
    if head.version != VERSION:
        raise ValueError(f"it is of version {head.version}, and {VERSION} is known here")
    turns = tuple(line for line in lines if isinstance(line, TurnLine))
    entries = tuple(line for line in lines if isinstance(line, EntryLine))
    if last != EndLine(len(turns), len(entries)) or len(turns) + len(entries) + 2 != len(lines):
        raise ValueError("it has no end that counts its turns and entries: a part is missing")
    session = Session(head, turns, entries)
    for problem in _problems(session):
        raise ValueError(problem)
    return session


def live(entries: Iterable[EntryLine]) -> list[StoredEntry]:
    """Return the live entries as a prompt has them."""
    found = [
        StoredEntry(line.seq, line.turn, line.entry, upto=line.upto)
        for line in entries
        if line.cut is None
    ]
    return sorted(found, key=lambda entry: (entry.upto or entry.seq, entry.seq))


def _problems(session: Session) -> Iterable[str]:
    """Yield why these lines are no session."""
    head, by_number = session.head.head, {line.seq: line for line in session.entries}
    numbers = [line.seq for line in session.turns]
    numbers += [line.seq for line in session.entries]
    numbers += [line.end_seq for line in session.turns if line.end_seq is not None]
    if not 1 <= head < END or not all(1 <= number <= head for number in numbers):
        yield f"a number is not one of 1 to {head}"
    if len(set(numbers)) < len(numbers):
        yield "a number is there twice"
    if len({line.accepted.id for line in session.turns}) < len(session.turns):
        yield "a turn is there twice"
    for turn in session.turns:
        yield from _turns_problems(turn, by_number)
    for line in session.entries:
        is_summary = isinstance(line.entry, SummaryEntry)
        if is_summary != (line.upto is not None) or not 0 < (line.upto or 1) < max(line.seq, 2):
            yield f"entry {line.seq} stands for what it cannot"
        if line.cut is not None and not line.seq < line.cut <= head:
            yield f"entry {line.seq} was cut at {line.cut}"
    yield from broken_calls(live(session.entries))


def _turns_problems(turn: TurnLine, by_number: dict[int, EntryLine]) -> Iterable[str]:
    name = f"turn {turn.accepted.id!r}"
    if turn.end is None or turn.end_seq is None:
        if turn.end is not None or turn.end_seq is not None or turn.adds > 0:
            yield f"{name} has half an end"
        return
    if turn.accepted.steps:
        yield f"{name} has ended and is still at its steps"
    if turn.end.id != turn.accepted.id or turn.end.state is TurnState.ACCEPTED or turn.end.entries:
        yield f"{name} has an end that is not its own"
    if turn.forgotten and turn.end.deltas:
        yield f"{name} has what it has forgotten"
    if turn.end_seq <= turn.seq:
        yield f"{name} ends before it begins"
    if not 0 <= turn.end_entries <= len(by_number) or not 0 <= turn.adds <= turn.end_entries:
        yield f"{name} counts entries that are not there"
        return
    own = [by_number.get(turn.end_seq + 1 + index) for index in range(turn.end_entries)]
    if any(line is None or line.turn != turn.accepted.id for line in own):
        yield f"{name} lacks one of its entries"
    if any(line is not None and isinstance(line.entry, SummaryEntry) for line in own[: turn.adds]):
        yield f"{name} has added a summary"
