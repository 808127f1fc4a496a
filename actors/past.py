"""What a live session has at hand of its journal: its last entries, and a summary of those before them.

It is a value that only its `end` changes in place; what is to happen is durable first, and then
happens here. Entries that the summary stands for are at hand only while a request has to be
compared with them.
"""

from collections.abc import Sequence

from greenroom.actors.entries import SummaryEntry, TranscriptEntry, UserEntry
from greenroom.actors.stores.records import SessionState, StoredEntry
from greenroom.actors.transcript import Plan, Sent, Transcript
from greenroom.actors.window import Measured


class Past:
    """The live entries from some point on; the first `summarised` of them the summary stands for.

    `has_earlier` tells that there are live entries before them.
    """

    __slots__ = ("_stored", "_transcript", "has_earlier", "summarised", "summary")

    def __init__(
        self,
        stored: Sequence[StoredEntry] = (),
        summary: SummaryEntry | None = None,
        *,
        summarised: int = 0,
        has_earlier: bool = False,
    ) -> None:
        self._stored = list(stored)
        self._transcript = Transcript(_said(stored))
        self.summary = summary
        self.summarised = summarised
        self.has_earlier = has_earlier

    @classmethod
    def of(cls, state: SessionState) -> "Past":
        """Return what a session has when it wakes."""
        match state.entries:
            case (StoredEntry(entry=SummaryEntry() as summary), *behind):
                return cls(behind, summary, has_earlier=state.earlier)
            case entries:
                return cls(entries, has_earlier=state.earlier)

    def with_earlier(self, earlier: Sequence[StoredEntry]) -> "Past":
        """Return it with the entries that the summary stands for."""
        return Past([*earlier, *self._stored], self.summary, summarised=len(earlier))

    # What a turn is to make of it

    def plan(self, sent: Sequence[Sent], instead_of: str | None, *, appends: bool = False) -> Plan:
        """Plan the turn that `sent` asks for, in place of the turn `instead_of` if that was the last.

        Raises:
            TurnFailed, EarlierNeeded: as `Transcript.reconcile` does, or `append` if it `appends`.
        """
        transcript, place = self._transcript, self._place_of(instead_of)
        if place is not None:
            transcript = Transcript(transcript.entries[:place])
        if appends:
            return transcript.append(sent)
        return transcript.reconcile(sent, whole=not self.has_earlier)

    def append(self, sent: Sequence[Sent]) -> Plan:
        """Plan to add all of `sent`, whose last calls may stay open; raises as `Transcript.append`."""
        return self._transcript.append(sent, complete=False)

    def shown(self, plan: Plan) -> tuple[SummaryEntry | None, Measured]:
        """Return what a model is shown of what was said: a summary, and the entries behind it."""
        if self.summary is None or not self.keeps_summary(plan):
            return None, self._transcript.part(0, plan.keep)
        return self.summary, self._transcript.part(self.summarised, plan.keep)

    def keeps_summary(self, plan: Plan) -> bool:
        """Say whether a plan leaves all that the summary stands for."""
        return plan.keep >= self.summarised

    def keep_to(self, plan: Plan) -> int | None:
        """Return the number of the last entry that a plan keeps, None if it keeps all."""
        first, _ = self.cut(plan)
        return None if first is None else first - 1

    def cut(self, plan: Plan) -> tuple[int | None, int]:
        """Return the number of the first entry that a plan cuts, if it cuts any, and how many."""
        many = len(self._stored) - plan.keep
        return (self._stored[plan.keep].seq if many else None), many

    @property
    def has_open_calls(self) -> bool:
        """Whether tool calls wait for their results."""
        return self._transcript.has_open_calls

    def ends_with(self, turn: str) -> bool:
        """Say whether a turn is the last of which there is anything; "" for none at all."""
        if not turn:
            return not self._stored and self.summary is None and not self.has_earlier
        return self._last_asked_for() == turn

    def _last_asked_for(self) -> str | None:
        """Return the last turn that did not come from inside, if it is at hand."""
        last: str | None = None
        is_inner = False
        for stored in reversed(self._stored):
            if last is not None and stored.turn != last:
                if not is_inner:
                    break
                is_inner = False
            last = stored.turn
            is_inner = is_inner or (isinstance(stored.entry, UserEntry) and stored.entry.inner)
        return None if is_inner else last

    @property
    def unchanged(self) -> Plan:
        """The plan that adds nothing and cuts nothing."""
        return Plan(len(self._stored), ())

    def number(self, place: int) -> int:
        """Return the sequence number of an entry, counted from 0."""
        return self._stored[place].seq

    # What has happened to it

    def end(self, plan: Plan, entries: Sequence[StoredEntry]) -> None:
        """Carry out a plan that ended with `entries`, or, if these are none, leave all as it is.

        What the summary stands for is at hand no more, unless it stands for it no more.
        """
        if entries:
            self._stored[plan.keep :] = entries
            self._transcript.replace(plan.keep, _said(entries))
            if not self.keeps_summary(plan):
                self.summary, self.summarised = None, 0
        if self.summarised:
            self._stored = self._stored[self.summarised :]
            self._transcript = Transcript(_said(self._stored))
            self.summarised, self.has_earlier = 0, True

    def compacted(self, many: int, summary: SummaryEntry) -> "Past":
        """Return it with a summary of its first entries, none of which is summed up yet."""
        return Past(self._stored[many:], summary, has_earlier=True)

    def without(self, seq: int) -> "Past":
        """Return it without the entry of that number."""
        return Past(
            [stored for stored in self._stored if stored.seq != seq],
            self.summary,
            summarised=self.summarised - any(s.seq == seq for s in self._stored[: self.summarised]),
            has_earlier=self.has_earlier,
        )

    def _place_of(self, turn: str | None) -> int | None:
        """Return where the entries of a turn begin, if they are the last."""
        place = len(self._stored)
        while place and self._stored[place - 1].turn == turn:
            place -= 1
        return place if place < len(self._stored) else None


def _said(entries: Sequence[StoredEntry]) -> list[TranscriptEntry]:
    return [stored.entry for stored in entries if not isinstance(stored.entry, SummaryEntry)]
