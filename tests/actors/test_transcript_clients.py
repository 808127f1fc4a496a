"""No program of turns breaks the invariant, and who sends less or more has the same transcript."""

from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.entries import (
    AssistantEntry,
    Content,
    TextPart,
    ToolCall,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
)
from greenroom.actors.failure import TurnFailed
from greenroom.actors.transcript import Transcript
from tests.actors.conftest import (
    as_sent,
    calls,
    carry_out,
    open_calls,
    planned,
    result,
    said,
    user,
)

MANY = settings(max_examples=300)

a_text = st.sampled_from(["", "a", "b", "ab"])
an_id = st.sampled_from(["c1", "c2", "c3"])
a_content: st.SearchStrategy[Content] = st.one_of(
    a_text,
    st.lists(st.builds(TextPart, a_text), min_size=1, max_size=2).map(tuple),
)
a_call = st.builds(ToolCall, an_id, st.just("look"), st.sampled_from(["", "{}", '{"a":1}', "{"]))
some_calls = st.lists(a_call, max_size=3).map(tuple)
a_told_answer = st.builds(AssistantEntry, st.none() | a_text, some_calls)
a_result = st.builds(ToolEntry, an_id, a_content)
an_entry: st.SearchStrategy[TranscriptEntry] = st.one_of(
    st.builds(UserEntry, a_content), a_told_answer, a_result
)
an_answer = st.one_of(
    a_told_answer,
    st.builds(AssistantEntry, st.sampled_from(["a", "ab"]), interrupted=st.just(True)),
)


@st.composite
def some_entries(draw: st.DrawFn) -> list[TranscriptEntry]:
    """Any entries, often with their calls answered, so that much of it is accepted."""
    entries = draw(st.lists(an_entry, max_size=5))
    if draw(st.booleans()):
        return entries
    answered: list[TranscriptEntry] = []
    for entry in entries:
        if not isinstance(entry, ToolEntry):
            answered.append(entry)
        if isinstance(entry, AssistantEntry):
            answered += [ToolEntry(call.id, draw(a_content)) for call in entry.tool_calls]
    return answered


@MANY
@given(turns=st.lists(st.tuples(st.integers(0, 12), some_entries(), an_answer), max_size=8))
def test_whatever_clients_send_every_prompt_holds_the_invariant(
    turns: list[tuple[int, list[TranscriptEntry], AssistantEntry]],
) -> None:
    transcript = Transcript()
    for repeated, entries, answer in turns:
        before = transcript.entries
        sent = as_sent(*before[:repeated], *entries)
        try:
            plan = transcript.reconcile(sent)
        except TurnFailed:
            assert transcript.entries == before
            continue
        assert transcript.entries == before
        assert not open_calls(planned(transcript, plan))
        carry_out(transcript, plan, answer)
        assert transcript.entries == (*before[: plan.keep], *plan.added, answer)
        open_calls(transcript.entries)


@MANY
@given(
    has=st.lists(st.tuples(some_entries(), an_answer), max_size=4),
    sent=some_entries(),
    repeated=st.integers(0, 12),
)
def test_content_as_a_string_and_as_a_text_part_is_the_same(
    has: list[tuple[list[TranscriptEntry], AssistantEntry]],
    sent: list[TranscriptEntry],
    repeated: int,
) -> None:
    def spell(entry: TranscriptEntry) -> TranscriptEntry:
        match entry:
            case UserEntry(content=content):
                return UserEntry(spelled(content))
            case ToolEntry(call_id=call_id, content=content, synthetic=synthetic):
                return ToolEntry(call_id, spelled(content), synthetic)
            case AssistantEntry():
                return entry

    def outcome(how: Callable[[TranscriptEntry], TranscriptEntry]) -> list[TranscriptEntry] | str:
        try:
            plan = transcript.reconcile(as_sent(*[how(entry) for entry in whole]))
        except TurnFailed as failed:
            return str(failed)
        return [spell(entry) for entry in planned(transcript, plan)]

    transcript = grown(has)
    whole = [*transcript.entries[:repeated], *sent]
    assert outcome(lambda entry: entry) == outcome(spell)


def spelled(content: Content) -> Content:
    return (TextPart(content),) if isinstance(content, str) else content


def grown(turns: Sequence[tuple[Sequence[TranscriptEntry], AssistantEntry]]) -> Transcript:
    """A transcript after some turns, those left out that are refused."""
    transcript = Transcript()
    for entries, answer in turns:
        try:
            plan = transcript.reconcile(as_sent(*entries))
        except TurnFailed:
            continue
        carry_out(transcript, plan, answer)
    return transcript


# Clients with a copy of the conversation


class Client:
    """What a well-made program keeps of its conversation, and the transcript at the other end."""

    def __init__(self) -> None:
        self.copy: list[TranscriptEntry] = []
        self.transcript = Transcript()

    def turn(
        self,
        sent: Sequence[TranscriptEntry],
        answer: AssistantEntry,
        reached: AssistantEntry | None,
    ) -> None:
        plan = self.transcript.reconcile(as_sent(*sent))
        assert not open_calls(planned(self.transcript, plan))
        carry_out(self.transcript, plan, answer)
        if reached is not None:
            self.copy.append(reached)

    @property
    def open(self) -> list[str]:
        return open_calls_of_copy(self.copy)


def open_calls_of_copy(copy: Sequence[TranscriptEntry]) -> list[str]:
    for index in range(len(copy) - 1, -1, -1):
        entry = copy[index]
        if isinstance(entry, AssistantEntry):
            done = {item.call_id for item in copy[index:] if isinstance(item, ToolEntry)}
            return [call.id for call in entry.tool_calls if call.id not in done]
        if isinstance(entry, UserEntry):
            return []
    return []


class Moves:
    """Draws what happens next, with texts that never come twice unless they may."""

    def __init__(
        self,
        data: st.DataObject,
        least_reached: int = 0,
        common: tuple[str, ...] = ("hi", "yes"),
    ) -> None:
        self._data = data
        self._common = common
        self._made = 0
        self.least_reached = least_reached

    def one_of(self, *names: str) -> str:
        return self._data.draw(st.sampled_from(names))

    def number(self, least: int, most: int) -> int:
        return self._data.draw(st.integers(least, most))

    def fresh(self, what: str) -> str:
        self._made += 1
        return f"{100 + self._made} {what}"

    def input(self, waiting: Sequence[str]) -> list[TranscriptEntry]:
        """Results of all open calls, of some and a message, or just a message."""
        # The very first message comes once: who repeats that one after a cut answer tries again.
        common = self._common if self._made else ()
        message = user(self.one_of(*common, self.fresh("question")))
        if not waiting or self.one_of("answer", "abandon") == "abandon":
            return [*(result(id_) for id_ in waiting[: self.number(0, 2)]), message]
        order = self._data.draw(st.permutations(list(waiting)))
        return [result(id_, self.fresh("result")) for id_ in order]

    def answer(self) -> AssistantEntry:
        match self.one_of("text", "calls", "text and calls", "cut"):
            case "text":
                return said(self.fresh("answer"))
            case "calls":
                return calls(*self._ids())
            case "text and calls":
                return calls(*self._ids(), text=self.fresh("answer"))
            case _:
                return AssistantEntry(self.fresh("answer"), interrupted=True)

    def reached(self, answer: AssistantEntry) -> AssistantEntry:
        if not answer.interrupted or answer.text is None:
            return answer
        return AssistantEntry(answer.text[: self.number(self.least_reached, len(answer.text))])

    def _ids(self) -> list[str]:
        return [self.fresh("call") for _ in range(self.number(1, 3))]


@MANY
@given(data=st.data())
def test_who_sends_only_what_is_new_and_who_sends_all_or_a_window_have_the_same_transcript(
    data: st.DataObject,
) -> None:
    # With less of a cut answer than this, a window can look like another place of the conversation.
    moves = Moves(data, least_reached=3)
    incremental, whole, window = Client(), Client(), Client()
    for _ in range(moves.number(1, 7)):
        fresh = moves.input(incremental.open)
        answer = moves.answer()
        reached = moves.reached(answer)
        size = moves.number(0, 6)
        incremental.turn(fresh, answer, None)
        whole.turn([*whole.copy, *fresh], answer, None)
        kept = window.copy[len(window.copy) - min(size, len(window.copy)) :]
        window.turn([*kept, *fresh], answer, None)
        for client in (incremental, whole, window):
            client.copy += [*fresh, reached]
        assert incremental.transcript.entries == whole.transcript.entries
        assert incremental.transcript.entries == window.transcript.entries


@MANY
@given(data=st.data())
def test_after_each_turn_of_who_sends_all_the_transcript_is_its_copy(data: st.DataObject) -> None:
    """Edits, regenerations, abandoned calls, failed turns and answers that were thrown away."""
    moves = Moves(data)
    client = Client()
    for _ in range(moves.number(1, 8)):
        users = [i for i, entry in enumerate(client.copy) if isinstance(entry, UserEntry)]
        first = next((i for i, e in enumerate(client.copy) if isinstance(e, AssistantEntry)), 99)
        later = [i for i in users if i > first]
        what = moves.one_of("go on", "edit", "regenerate", "fail")
        if what in ("edit", "regenerate") and later:
            at = later[moves.number(0, len(later) - 1)]
            again = client.copy[at] if what == "regenerate" else user(moves.fresh("edited"))
            del client.copy[at:]
            fresh = [again]
        else:
            fresh = moves.input(client.open)
        client.copy += fresh
        if what == "fail":
            client.transcript.reconcile(as_sent(*client.copy))
            if isinstance(fresh[-1], ToolEntry):
                del client.copy[-len(fresh) :]
            continue
        answer = moves.answer()
        thrown_away = answer.interrupted and moves.one_of("keep", "throw away") == "throw away"
        client.turn(client.copy, answer, None if thrown_away else moves.reached(answer))
        kept = [e for e in client.transcript.entries if not is_synthetic(e)]
        if thrown_away:
            assert kept.pop() == answer
        assert [shown(e) for e in kept] == [shown(e) for e in client.copy]


@MANY
@given(data=st.data())
def test_a_window_with_an_edited_end_and_the_whole_with_it_have_the_same_transcript(
    data: st.DataObject,
) -> None:
    moves = Moves(data, least_reached=3, common=())
    whole, window = Client(), Client()
    for _ in range(moves.number(1, 7)):
        answered = [i for i, entry in enumerate(whole.copy) if isinstance(entry, AssistantEntry)]
        first = answered[0] if answered else len(whole.copy)
        later = [i for i, e in enumerate(whole.copy) if isinstance(e, UserEntry) and i > first]
        if later and moves.one_of("go on", "edit") == "edit":
            del whole.copy[later[moves.number(0, len(later) - 1)] :]
            fresh: list[TranscriptEntry] = [user(moves.fresh("edited"))]
        else:
            fresh = moves.input(whole.open)
        answered = [i for i, entry in enumerate(whole.copy) if isinstance(entry, AssistantEntry)]
        start = moves.number(0, answered[-1]) if answered else 0
        answer = moves.answer()
        whole.turn([*whole.copy, *fresh], answer, None)
        window.turn([*whole.copy[start:], *fresh], answer, None)
        whole.copy += [*fresh, moves.reached(answer)]
        assert window.transcript.entries == whole.transcript.entries


def is_synthetic(entry: TranscriptEntry) -> bool:
    return isinstance(entry, ToolEntry) and entry.synthetic


def shown(entry: TranscriptEntry) -> TranscriptEntry:
    """An entry as far as both ends must agree on it: an answer without its calls may be cut."""
    if isinstance(entry, AssistantEntry) and not entry.tool_calls:
        return AssistantEntry()
    return entry
