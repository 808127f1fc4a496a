"""One session's transcript: pure, and true to one invariant at every moment.

Every tool call has exactly one result by the time that a prompt is built. Calls may be open only at
the tail, after an answer that made them; whatever comes next either brings their results or
abandons them, and an abandoned call gets a synthetic result that says so.

Clients send either what is new or the whole conversation again. `reconcile` tells the two apart and
plans; nothing changes by it, so a turn that fails leaves no trace.
"""

from collections.abc import Iterator, Sequence

import msgspec

from greenroom.actors.entries import (
    AssistantEntry,
    Content,
    TextPart,
    ToolCall,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
)
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.window import Lengths, Measured

ABANDONED = "No result: the user went on without running this tool."

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
        return Plan(keep, tuple(_joined(waiting, sent[matched:], last)))

    def append(self, sent: Sequence[Sent], *, complete: bool = True) -> Plan:
        """Plan the turn that adds all of `sent` behind what is here, whatever it repeats.

        Unless it has to be `complete`, its last answer's calls may stay open.

        Raises:
            TurnFailed: a tool result answers no open call, or an open call has no result.
        """
        last = sent[-1].param if sent else "input"
        keep = len(self._entries)
        waiting = _open_calls(self._entries, keep)
        return Plan(keep, tuple(_joined(waiting, sent, last, complete=complete)))

    def replace(self, keep: int, entries: Sequence[TranscriptEntry]) -> None:
        """Have `entries` follow the first `keep`, whatever followed them."""
        self._entries[keep:] = entries
        self._lengths.replace(keep, entries)

    def _common_prefix(self, known: Sequence[Sent]) -> tuple[int, int]:
        """Return how many entries of ours, and how many of `known`, are the same from the start.

        Our synthetic results are in no client's copy, so they are stepped over.
        """
        ours = 0
        for matched, item in enumerate(known):
            at = ours
            while at < len(self._entries) and not _same(self._entries[at], item.entry):
                if not _is_synthetic(self._entries[at]):
                    return ours, matched
                at += 1
            if at == len(self._entries):
                return ours, matched
            ours = at + 1
        return ours, len(known)

    def _end_of_window(self, known: Sequence[Sent]) -> int | None:
        """Return where the last place ends at which ours are the same as `known`, all of it."""
        ours = [at for at, entry in enumerate(self._entries) if not _is_synthetic(entry)]
        first = max(len(known), len(ours) - WINDOW_REACH)
        for end in range(len(ours), first - 1, -1):
            places = ours[end - len(known) : end]
            pairs = zip(reversed(places), reversed(known), strict=True)
            if all(_same(self._entries[at], item.entry) for at, item in pairs):
                return places[-1] + 1
        return None

    def _is_told_again(self, sent: Sequence[Sent]) -> bool:
        """Say whether `sent`, without an answer, repeats a transcript that has no whole answer."""
        rest = iter(sent)
        for entry in self._entries:
            if not _is_interrupted(entry):
                item = next(rest, None)
                if item is None or not _same(entry, item.entry):
                    return False
        return True


def _joined(
    waiting: list[str], new: Sequence[Sent], last: str, *, complete: bool = True
) -> Iterator[TranscriptEntry]:
    """Yield `new` with the results that the session's calls `waiting` are due.

    `last` is the end's place.
    """
    from_session = bool(waiting)
    for item in new:
        match item.entry:
            case ToolEntry(call_id=call_id):
                if call_id not in waiting:
                    raise _no_such_call(item, call_id)
                waiting.remove(call_id)
            case UserEntry() | AssistantEntry() as entry:
                if waiting and not from_session:
                    raise _unanswered(item.param, waiting)
                yield from (ToolEntry(call_id, ABANDONED, synthetic=True) for call_id in waiting)
                calls = entry.tool_calls if isinstance(entry, AssistantEntry) else ()
                waiting, from_session = [call.id for call in calls], False
        yield item.entry
    if waiting and complete:
        raise _unanswered(last, waiting)


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


def _is_synthetic(entry: TranscriptEntry) -> bool:
    return isinstance(entry, ToolEntry) and entry.synthetic


def _is_interrupted(entry: TranscriptEntry) -> bool:
    return isinstance(entry, AssistantEntry) and entry.interrupted


def _same(ours: TranscriptEntry, theirs: TranscriptEntry) -> bool:
    """Say whether a client's entry is our entry, however it spells it."""
    match ours, theirs:
        case UserEntry(), UserEntry():
            return ours.role == theirs.role and (
                _canonical(ours.content) == _canonical(theirs.content)
            )
        case ToolEntry(), ToolEntry():
            return ours.call_id == theirs.call_id and (
                _canonical(ours.content) == _canonical(theirs.content)
            )
        case AssistantEntry(), AssistantEntry():
            return _same_answer(ours, theirs)
        case _:
            return False


def _same_answer(ours: AssistantEntry, theirs: AssistantEntry) -> bool:
    mine, yours = (ours.text or "").strip(), (theirs.text or "").strip()
    if ours.interrupted and not theirs.tool_calls:
        # How much of a cut answer reached its client is not known here.
        return mine.startswith(yours) or yours.startswith(mine)
    return (
        mine == yours
        and len(ours.tool_calls) == len(theirs.tool_calls)
        and all(map(_same_call, ours.tool_calls, theirs.tool_calls))
    )


def _same_call(ours: ToolCall, theirs: ToolCall) -> bool:
    if (ours.id, ours.name, ours.kind) != (theirs.id, theirs.name, theirs.kind):
        return False
    # What a client leaves out of a call, or adds to it, makes it no other one.
    if ours.arguments == theirs.arguments:
        return True
    # Clients keep the arguments decoded and spell them anew, with other spaces and escapes.
    return ours.kind == "function" and _same_json(ours.arguments or "{}", theirs.arguments or "{}")


def _same_json(ours: str, theirs: str) -> bool:
    try:
        return bool(msgspec.json.decode(ours) == msgspec.json.decode(theirs))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False


def _canonical(content: Content) -> Content:
    match content:
        case (TextPart(text),):
            return text
        case _:
            return content
