"""One session's transcript: pure, and true to one invariant at every moment.

Every tool call has exactly one result by the time that a prompt is built. Calls may be open only at
the tail, after an answer that made them; whatever comes next either brings their results or
abandons them, and an abandoned call gets a synthetic result that says so.

Clients send either what is new or the whole conversation again. `reconcile` tells the two apart and
plans; nothing changes by it, so a turn that fails leaves no trace.
"""

from collections.abc import Iterator, Sequence

import msgspec

from greenroom.actors.copies import Shown, same, shown
from greenroom.actors.entries import (
    UNNAMED,
    AssistantEntry,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
)
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.window import Lengths, Measured

ABANDONED = "No result: the user went on without running this tool."
CUT_OFF = "No result: the turn was cut off, and whether this tool has done anything is not known."

WINDOW_REACH = 200
"""How many entries before its end a transcript is searched for a window's, so that it takes no longer."""


class Sent(msgspec.Struct, frozen=True):
    """An entry as a request brought it; `param` is its place there, such as "messages[3]"."""

    entry: TranscriptEntry
    param: str


class Plan(msgspec.Struct, frozen=True):
    """What a turn makes of the transcript: the first `keep` entries stay, `added` follow them."""

    keep: int
    added: tuple[TranscriptEntry, ...]


class EarlierNeeded(Exception):  # noqa: N818 - a fact about what is here
    """What was sent can only be compared with entries that are not here."""


class Transcript:
    """The entries of one session, in order."""

    __slots__ = ("_entries", "_lengths")

    def __init__(self, entries: Sequence[TranscriptEntry] = ()) -> None:
        self._entries: list[TranscriptEntry] = []
        self._lengths = Lengths()
        self.replace(0, entries)

    @property
    def entries(self) -> tuple[TranscriptEntry, ...]:
        """All entries, oldest first."""
        return tuple(self._entries)

    def part(self, start: int, stop: int) -> Measured:
        """Return the entries from number `start` to before number `stop`, counted from 0."""
        return self._lengths.measured(self._entries, start, stop)

    @property
    def has_open_calls(self) -> bool:
        """Whether tool calls wait for their results."""
        return bool(_open_calls(self._entries, len(self._entries)))

    def reconcile(self, sent: Sequence[Sent], *, whole: bool = True) -> Plan:
        """Plan the turn that `sent` asks for; without `whole`, there are entries before these.

        Without an assistant's message it is all new. With one, it is the conversation as its client
        sees it, up to that client's new input behind the last answer:

        - the longest common prefix with the transcript stays, the rest of the transcript is cut;
        - but what stands before a window (of a client that forgets the oldest) stays as well.

        While all answers were cut off, a client that threw them away has none to send: if it begins
        with all that its user has said, that is the conversation again.

        Raises:
            TurnFailed: a tool result answers no open call, or an open call has no result.
            EarlierNeeded: without `whole`, and what was sent is no window of these entries.
        """
        if whole and sent and not self._entries:
            return self.append(sent)
        answers = [i for i, item in enumerate(sent) if isinstance(item.entry, AssistantEntry)]
        split = answers[-1] + 1 if answers else 0
        if not answers and self._is_told_again(sent):
            split = len(sent)
        known = sent[:split]
        keep, matched = self._common_prefix(known)
        if not known:
            keep = len(self._entries)
        elif (matched == 0 or not whole) and (end := self._end_of_window(known)) is not None:
            keep, matched = end, len(known)
        elif not whole:
            raise EarlierNeeded
        last = sent[-1].param if sent else "messages"
        waiting = _open_calls(self._entries, keep)
        return Plan(keep, tuple(_joined(waiting, sent[matched:], last, keep)))

    def append(self, sent: Sequence[Sent], *, complete: bool = True) -> Plan:
        """Plan the turn that adds all of `sent` behind what is here, whatever it repeats.

        Unless it has to be `complete`, its last answer's calls may stay open.

        Raises:
            TurnFailed: a tool result answers no open call, or an open call has no result.
        """
        last = sent[-1].param if sent else "input"
        keep = len(self._entries)
        waiting = _open_calls(self._entries, keep)
        return Plan(keep, tuple(_joined(waiting, sent, last, keep, complete=complete)))

    def replace(self, keep: int, entries: Sequence[TranscriptEntry]) -> None:
        """Have `entries` follow the first `keep`, whatever followed them."""
        self._entries[keep:] = entries
        self._lengths.replace(keep, entries)

    def _common_prefix(self, known: Sequence[Sent]) -> tuple[int, int]:
        """Return how many entries of ours, and how many of `known`, are the same from the start.

        What no client need have is stepped over.
        """
        keep = matched = 0
        for entry, end, inner in shown(self._entries):
            if matched < len(known) and same(entry, known[matched].entry):
                matched += 1
            elif not inner:
                break
            keep = end
        return keep, matched

    def _end_of_window(self, known: Sequence[Sent]) -> int | None:
        """Return where the last place ends at which ours are the same as `known`, all of it."""
        everything = list(shown(self._entries))
        asked_for = [item for item in everything if not item.inner]
        ends = [_end_of(known, everything)]
        if len(asked_for) < len(everything):
            ends.append(_end_of(known, asked_for))
        found = [end for end in ends if end is not None]
        if not found:
            return None
        end = max(found)
        for item in everything:
            if item.end > end:
                if not item.inner:
                    break
                end = item.end
        return end

    def _is_told_again(self, sent: Sequence[Sent]) -> bool:
        """Say whether `sent`, without an answer, repeats a transcript that has no whole answer."""
        rest = iter(sent)
        for entry, _, inner in shown(self._entries):
            if not inner and not _is_interrupted(entry):
                item = next(rest, None)
                if item is None or not same(entry, item.entry):
                    return False
        return True


def synthetic_results(entries: Sequence[TranscriptEntry], why: str) -> Iterator[ToolEntry]:
    """Yield a result for each call that has none at the end of these entries."""
    calls = next((e.tool_calls for e in reversed(entries) if isinstance(e, AssistantEntry)), ())
    inner = {call.id for call in calls if call.inner}
    # Ours stand first: a client that goes on with its own results knows of no others.
    for call in sorted(_open_calls(entries, len(entries)), key=lambda call: call not in inner):
        yield ToolEntry(call, why, synthetic=True, inner=call in inner)


def _end_of(known: Sequence[Sent], ours: Sequence[Shown]) -> int | None:
    """Return where the last place in `ours` ends that is the same as `known`."""
    first = max(len(known), len(ours) - WINDOW_REACH)
    for end in range(len(ours), first - 1, -1):
        places = ours[end - len(known) : end]
        pairs = zip(reversed(places), reversed(known), strict=True)
        if all(same(item.entry, sent.entry) for item, sent in pairs):
            return places[-1].end
    return None


def _is_interrupted(entry: TranscriptEntry) -> bool:
    return isinstance(entry, AssistantEntry) and entry.interrupted


def _joined(
    waiting: list[str], new: Sequence[Sent], last: str, start: int, *, complete: bool = True
) -> Iterator[TranscriptEntry]:
    """Yield `new`, from place `start` on, with the results that the session's calls `waiting` are due.

    `last` is the end's place. A call without an id gets one, and a result without one is that of the
    first call that waits: its client was told of no other.
    """
    from_session = bool(waiting)
    for place, item in enumerate(new, start):
        entry = item.entry
        match entry:
            case ToolEntry(call_id=call_id):
                unnamed = call_id == UNNAMED and bool(waiting)
                found = waiting[0] if unnamed else call_id
                if found not in waiting:
                    raise _no_such_call(item, call_id)
                waiting.remove(found)
                yield msgspec.structs.replace(entry, call_id=found) if unnamed else entry
                if unnamed:
                    yield from _abandoned(waiting)
                    waiting = []
            case UserEntry() | AssistantEntry():
                if waiting and not from_session:
                    raise _unanswered(item.param, waiting)
                yield from _abandoned(waiting)
                waiting, from_session = [], False
                if isinstance(entry, AssistantEntry):
                    entry = _named(entry, place)
                    waiting = [call.id for call in entry.tool_calls]
                yield entry
    if waiting and complete:
        raise _unanswered(last, waiting)


def _abandoned(calls: Sequence[str]) -> Iterator[ToolEntry]:
    return (ToolEntry(call_id, ABANDONED, synthetic=True) for call_id in calls)


def _named(entry: AssistantEntry, place: int) -> AssistantEntry:
    """Return an answer whose call has an id: one that its place in the transcript gives it."""
    if not any(call.id == UNNAMED for call in entry.tool_calls):
        return entry
    calls = tuple(
        msgspec.structs.replace(call, id=f"call_function_{place}") if call.id == UNNAMED else call
        for call in entry.tool_calls
    )
    return msgspec.structs.replace(entry, tool_calls=calls)


def _open_calls(entries: Sequence[TranscriptEntry], upto: int) -> list[str]:
    """Return the calls that are open behind the first `upto` entries."""
    answered: list[str] = []
    for at in range(upto - 1, -1, -1):
        match entries[at]:
            case ToolEntry(call_id=call_id):
                answered.append(call_id)
            case AssistantEntry(tool_calls=calls):
                waiting = [call.id for call in calls]
                for call_id in answered:
                    waiting.remove(call_id)
                return waiting
            case UserEntry():
                break
    return []


def _no_such_call(item: Sent, call_id: str) -> TurnFailed:
    what = f"{item.param}: no tool call {call_id!r} waits for a result; "
    if _is_message(item.param):
        what += "a message with role 'tool' must answer a call of the assistant message before it, "
        param = f"{item.param}.tool_call_id"
    else:
        what += "a tool call's output must answer a call of the answer before it, "
        param = f"{item.param}.call_id"
    return TurnFailed.of(FailureKind.INVALID_REQUEST, f"{what}and each call once.", param=param)


def _unanswered(param: str, waiting: Sequence[str]) -> TurnFailed:
    if _is_message(param):
        what = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to "
            "each 'tool_call_id'."
        )
    else:
        what = "Each tool call must be followed by its output."
    what = f"{what} These had no result: {', '.join(waiting)}."
    return TurnFailed.of(FailureKind.INVALID_REQUEST, what, param=param)


def _is_message(param: str) -> bool:
    """Whether a place in a request is one of chat messages, which have other words than items."""
    return param.startswith("messages")
