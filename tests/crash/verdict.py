"""What is kept, and what models were shown, held against what clients were told: pure.

A finding is a sentence that a person can look into; a good run has none.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec

from greenroom.actors.transcript import ABANDONED
from tests.crash.ledger import Turn
from tests.upstreams.exchange import Record
from tests.upstreams.speech import Message


class Wrong(StrEnum):
    """What can be wrong."""

    LOST = "lost"
    """A client was told the end of an answer, and it is not kept as it was told."""
    DOUBLED = "doubled"
    """Something that was said once is there twice."""
    INVENTED = "invented"
    """Nobody said that, or not there."""
    UNANSWERED = "unanswered calls"
    """A call has no result, or a result no call."""
    ASKED_TWICE = "asked twice"
    """A model was asked for one turn more often than the gateway has died over it."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong."""

    wrong: Wrong
    what: str


class Said(msgspec.Struct, frozen=True):
    """A message of a transcript or of a prompt; `calls` are the ids of calls that it makes.

    `answers` is the id of the call whose result it is, None of a prompt's, which has none.
    """

    role: str
    text: str
    calls: tuple[str, ...] = ()
    answers: str | None = None
    is_cut: bool = False
    is_synthetic: bool = False


class _Function(msgspec.Struct):
    name: str
    arguments: str


class _Call(msgspec.Struct):
    id: str
    function: _Function


class _Message(msgspec.Struct):
    role: str
    content: str | None
    tool_calls: tuple[_Call, ...] = ()
    tool_call_id: str | None = None
    interrupted: bool = False
    synthetic: bool = False


class Entry(msgspec.Struct):
    """An entry, as the gateway tells of it."""

    seq: int
    message: _Message

    @property
    def said(self) -> Said:
        """What it says."""
        message = self.message
        return Said(
            message.role,
            message.content or "",
            tuple(call.id for call in message.tool_calls),
            message.tool_call_id,
            message.interrupted,
            message.synthetic,
        )


class Page(msgspec.Struct):
    """A page of a transcript, as the gateway tells it."""

    data: tuple[Entry, ...]
    has_more: bool
    next: int | None


def of_transcript(turns: Sequence[Turn], said: Sequence[Said]) -> Iterator[Finding]:
    """Judge a session's transcript by the session's turns."""
    yield from _of_calls(turns[0].session, said)
    yield from _of_what_was_said(turns, said, marks_cuts=True)
    yield from _of_what_was_told(turns, said)


def of_prompts(turns: Sequence[Turn], asked: Mapping[Turn, Sequence[Record]]) -> Iterator[Finding]:
    """Judge what the upstream was asked for a session: what was told until then is in each prompt."""
    told: defaultdict[int, list[Turn]] = defaultdict(list)
    for turn in turns:
        for record in asked.get(turn, ()):
            assert record.heard is not None, "what was refused is for no turn"
            said = list(map(_shown, record.heard.messages))
            yield from _of_what_was_said(turns, said, marks_cuts=False)
            yield from _of_what_was_told(told[turn.client], said)
        told[turn.client].append(turn)


def of_calls(turns: Iterable[Turn], asked: Mapping[Turn, Sequence[Record]]) -> Iterator[Finding]:
    """Judge how often the upstream was asked: once, and once more for each death of the gateway."""
    for turn in turns:
        records = asked.get(turn, ())
        if len(records) > 1 + turn.ended - turn.begun:
            yield Finding(Wrong.ASKED_TWICE, f"{len(records)} times {turn}")
        if turn.told is not None and not any(record.is_said for record in records):
            yield Finding(Wrong.INVENTED, f"no model has said that: {turn}")


def _shown(message: Message) -> Said:
    is_synthetic = message.role == "tool" and message.text == ABANDONED
    calls = tuple(call.id for call in message.calls)
    return Said(message.role, message.text, calls, is_synthetic=is_synthetic)


def _of_calls(session: str, said: Sequence[Said]) -> Iterator[Finding]:
    """Hold it to the one rule of transcripts; at its end no calls may be open, for somebody went on."""
    waiting: list[str] = []
    for one in (*said, Said("user", "")):
        if one.role != "tool":
            if waiting:
                yield Finding(Wrong.UNANSWERED, f"{session}: {waiting} before {one}")
            waiting = list(one.calls)
        elif one.answers in waiting:
            waiting.remove(one.answers)
        else:
            yield Finding(Wrong.UNANSWERED, f"{session}: {one} answers no call")


def _of_what_was_said(
    turns: Sequence[Turn], said: Sequence[Said], *, marks_cuts: bool
) -> Iterator[Finding]:
    """Hold each message to having been said, once, and each answer to being that of what is before it.

    Prompts, which do not mark what was cut, may have a part of an answer that nobody was told the end of.
    """
    session = turns[0].session
    by_text = {text: turn for turn in turns for text in turn.adds}
    for text, times in Counter(one.text for one in said if _is_added(one)).items():
        if times > 1:
            yield Finding(Wrong.DOUBLED, f"{session}: {times} times {text}")
        if text not in by_text:
            yield Finding(Wrong.INVENTED, f"{session}: {text}")
    before: Turn | None = None
    for one in said:
        if one.role != "assistant":
            before = by_text.get(one.text)
        elif before is None:
            yield Finding(Wrong.DOUBLED, f"{session}: a second answer, {one}")
        else:
            is_cut = one.is_cut or not (marks_cuts or before.told)
            whole = (one.text, len(one.calls)) == (before.answer, before.wants)
            if not whole and not (is_cut and before.answer.startswith(one.text)):
                yield Finding(Wrong.INVENTED, f"{session}: {one} is no answer to {before}")
            before = None


def _of_what_was_told(turns: Iterable[Turn], said: Sequence[Said]) -> Iterator[Finding]:
    """Hold it to having all that was told, in the order of each client."""
    places = {one.text: place for place, one in enumerate(said) if _is_added(one)}
    reached: Counter[int] = Counter()
    for turn in turns:
        if turn.told is None:
            continue
        first = places.get(turn.adds[0], len(said))
        kept = said[first : first + len(turn.adds) + 1]
        calls = tuple(call.id for call in turn.told.calls)
        if (
            [one.text for one in kept] != [*turn.adds, turn.told.text]
            or (kept[-1].role, kept[-1].calls) != ("assistant", calls)
            or kept[-1].is_cut
        ):
            yield Finding(Wrong.LOST, f"{turn} is kept as {kept}")
        elif first < reached[turn.client]:
            yield Finding(Wrong.LOST, f"{turn} is out of its order")
        reached[turn.client] = max(first, reached[turn.client])


def _is_added(said: Said) -> bool:
    return said.role in {"user", "tool"} and not said.is_synthetic
