"""A session that outgrows its model goes on: its oldest part is summed up, or left out if that fails."""

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.channels.channel import Finish, FinishReason, TextDelta
from greenroom.actors.channels.upstream_errors import TOO_LONG
from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    Prompt,
    SummaryEntry,
    SystemEntry,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
    text_of,
)
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.stores.records import SessionName
from greenroom.actors.turn import OnDisconnect, Sender
from greenroom.actors.window import Estimate, find_cut, with_short_results
from tests.actors.conftest import (
    FAULT,
    Played,
    PlayedChannel,
    Reader,
    Stage,
    Step,
    a_system,
    calls,
    open_calls,
    result,
    said,
    set_stage,
    user,
    wishes,
    words,
)
from tests.stores import a_store

IN_VIRTUAL_TIME = True

WINDOW = 1200
"""Tokens; a text of `LONG` takes about a sixth of them."""
LONG = "x" * 800
TOO_MUCH = TurnFailed.of(FailureKind.UPSTREAM_REJECTED, "Too long.", code=TOO_LONG)


class Summing(PlayedChannel):
    """Answers "Yes." to turns, and to what asks for a summary what it is given."""

    def __init__(self, *summary: Step, answers: Sequence[Step] | None = None) -> None:
        super().__init__(answers or words("Yes."))
        self._summary = summary or words("They talked.")
        self.asked: list[Prompt] = []

    def open(self, prompt: Prompt) -> Played:
        if is_summary(prompt):
            self.asked.append(prompt)
            return Played(self, self._summary)
        return super().open(prompt)


def is_summary(prompt: Prompt) -> bool:
    (first, *others) = prompt.entries
    return not others and isinstance(first, UserEntry) and "Sum up" in text_of(first.content)


async def fill(stage: Stage, key: str = "k", turns: int = 5) -> None:
    for number in range(turns):
        outcome = await stage.ask(key, user(f"{number} {LONG}"))
        assert outcome.ended


def order_of(prompt: Prompt) -> str:
    """What a prompt says that asks for a summary."""
    (order,) = prompt.entries
    assert isinstance(order, UserEntry)
    return text_of(order.content)


def summary_in(entries: Sequence[Entry]) -> str | None:
    found = [e for e in entries if isinstance(e, SystemEntry)]
    return text_of(found[0].content) if found else None


async def test_a_prompt_that_is_about_to_outgrow_its_window_has_its_oldest_part_summed_up() -> None:
    channel = Summing()
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, window=WINDOW)
        await fill(stage)
        shown = channel.heard()
        assert summary_in(shown) is not None
        assert "They talked." in (summary_in(shown) or "")
        assert shown[-1] == user(f"4 {LONG}")
        assert len(channel.asked) == 1
        assert "0 xxx" in order_of(channel.asked[0])
        # Nothing of it is lost.
        stored = await store.transcript(SessionName("main", "k"))
        texts = [e.entry for e in stored if isinstance(e.entry, UserEntry)]
        assert len(texts) == 5


async def test_it_wakes_with_its_summary_and_sums_up_again_when_it_has_to() -> None:
    channel = Summing()
    async with a_system() as system:
        stage = await set_stage(system, channel, window=WINDOW)
        await fill(stage)
        before = channel.heard()
        await trio.sleep(500)
        await stage.ask("k", user("short"))
        assert channel.heard() == (*before, said("Yes."), user("short"))
        await fill(stage)
        assert len(channel.asked) >= 2
        assert "They talked." in order_of(channel.asked[-1])


@pytest.mark.parametrize(
    "summary",
    [(FAULT,), (5.0, FAULT), ((TextDelta("  "), Finish(FinishReason.STOP)),), (1000.0,)],
    ids=["refused", "late", "empty", "never"],
)
async def test_where_a_summary_fails_the_oldest_part_is_left_out_and_the_turn_goes_on(
    summary: Sequence[Step], trouble: list[str]
) -> None:
    channel = Summing(*summary)
    async with a_system() as system:
        stage = await set_stage(system, channel, window=WINDOW)
        await fill(stage)
        shown = channel.heard()
        assert summary_in(shown) is None
        assert shown[-1] == user(f"4 {LONG}")
        assert 2 <= len(shown) < 9
    assert set(trouble) == {"run.history_dropped"}
    trouble.clear()


async def test_a_model_that_finds_a_prompt_too_long_is_asked_again_with_less() -> None:
    channel = Summing()
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await fill(stage)
        assert not channel.asked
        channel.plays((TOO_MUCH,), words("Yes."))
        outcome = await stage.ask("k", user("more"))
        assert outcome.text == "Yes."
        assert len(channel.asked) == 1
        assert "They talked." in (summary_in(channel.heard()) or "")


async def test_what_cannot_be_made_shorter_is_told() -> None:
    channel = Summing()
    async with a_system() as system:
        stage = await set_stage(system, channel)
        channel.plays((TOO_MUCH,))
        outcome = await stage.ask("k", user(LONG))
        assert outcome.failure == TOO_MUCH.failure


async def test_what_is_pinned_stays() -> None:
    channel = Summing()
    pinned = UserEntry("My name is Ada.", pinned=True)
    async with a_system() as system:
        stage = await set_stage(system, channel, window=WINDOW)
        await stage.ask("k", pinned)
        await fill(stage, turns=12)
        assert pinned in channel.heard()
        assert len(channel.asked) >= 2


async def test_a_client_that_sends_the_whole_conversation_again_has_nothing_doubled() -> None:
    channel = Summing()
    store = a_store()
    whole: list[TranscriptEntry] = []
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, window=WINDOW)
        for number in range(8):
            whole.append(user(f"{number} {LONG}"))
            assert (await stage.ask("k", *whole)).ended
            whole.append(said("Yes."))
            if number == 5:
                await trio.sleep(500)
        stored = [
            e.entry
            for e in await store.transcript(SessionName("main", "k"))
            if not isinstance(e.entry, SummaryEntry)
        ]
    assert stored == whole
    assert channel.asked


async def test_a_client_that_tells_another_story_from_before_the_summary_voids_it() -> None:
    channel = Summing()
    async with a_system() as system:
        stage = await set_stage(system, channel, window=WINDOW)
        await fill(stage)
        first = user(f"0 {LONG}")
        await stage.ask("k", first, said("Yes."), user("edited"))
        assert channel.heard() == (first, said("Yes."), user("edited"))
        await trio.sleep(500)
        await stage.ask("k", user("more"))
        assert channel.heard() == (first, said("Yes."), user("edited"), said("Yes."), user("more"))


@pytest.mark.parametrize("well", [True, False], ids=["well", "with a failure"])
async def test_a_summary_of_another_story_counts_only_if_its_turn_ends_well(well: bool) -> None:
    channel = Summing()
    store = a_store()
    long = user(f"edited {LONG * 3}")
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, window=WINDOW)
        whole: list[TranscriptEntry] = []
        for number in range(8):
            whole += [user(f"{number} {LONG}"), said("Yes.")]
            assert (await stage.ask("k", *whole[:-1])).ended
        before = await store.transcript(SessionName("main", "k"))
        summaries = len(channel.asked)
        channel.plays(words("Yes.") if well else (FAULT,))
        told = await stage.ask("k", *whole[:8], long)
        assert len(channel.asked) == summaries + 1
        assert told.ended is well
        channel.plays(words("Yes."))
        now = [*whole[:8], long, said("Yes.")] if well else whole
        if not well:
            assert await store.transcript(SessionName("main", "k")) == before
        assert (await stage.ask("k", *now, user("more"))).ended
        stored = [
            e.entry
            for e in await store.transcript(SessionName("main", "k"))
            if not isinstance(e.entry, SummaryEntry)
        ]
    assert stored == [*now, user("more"), said("Yes.")]


async def test_a_crash_amid_another_story_from_before_the_summary_cuts_what_that_would() -> None:
    channel = Summing()
    store = a_store()
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, store=store, window=WINDOW)
        await fill(stage)
        channel.plays(((TextDelta("Y"),), 100.0, *words("es.")))
        sent = (user(f"0 {LONG}"), said("Yes."), user("edited"))
        goes_on = Sender(on_disconnect=OnDisconnect.CONTINUE)
        reader = await Reader(stage, "k", *sent, sender=goes_on).join(nursery)
        reader.leave()
        stage.agent.kill()
    async with a_system() as system:
        channel.plays(words("Yes."))
        stage = await set_stage(system, channel, store=store, window=WINDOW, first_turn=50)
        await stage.ask("k", user("more"))
    cut = AssistantEntry("Y", interrupted=True)
    assert channel.heard() == (*sent, cut, user("more"))


async def test_however_much_is_pinned_a_session_goes_on(trouble: list[str]) -> None:
    channel = Summing()
    async with a_system() as system:
        stage = await set_stage(system, channel, window=WINDOW)
        pins = [UserEntry(f"{number} {LONG[:400]}", pinned=True) for number in range(20)]
        for pinned in pins:
            assert (await stage.ask("k", pinned)).ended
            assert Estimate().of(channel.heard()) <= WINDOW
        assert pins[-1] in channel.heard()
        assert "0 xxx" in order_of(channel.asked[0]) + order_of(channel.asked[1])
    assert set(trouble) == {"run.unpinned"}
    trouble.clear()


async def test_a_summary_that_fails_is_tried_again_before_anything_is_left_out_for_good(
    trouble: list[str],
) -> None:
    channel = Summing(FAULT)
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, window=WINDOW)
        await fill(stage)
        tries = len(channel.asked)
        assert tries == 1
        await fill(stage, turns=1)
        assert len(channel.asked) == tries + 1
        stored = await store.transcript(SessionName("main", "k"))
        assert not any(isinstance(e.entry, SummaryEntry) for e in stored)
        await fill(stage, turns=1)
        stored = await store.transcript(SessionName("main", "k"))
        assert [e.entry for e in stored if isinstance(e.entry, SummaryEntry)] == [SummaryEntry()]
        assert summary_in(channel.heard()) is None
    assert set(trouble) == {"run.history_dropped"}
    trouble.clear()


async def test_a_large_tool_result_is_shown_without_its_middle_and_kept_whole() -> None:
    channel = PlayedChannel(((TextDelta("Wait."),), *wishes("c1")), words("Yes."), words("Yes."))
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, window=WINDOW)
        await stage.ask("k", user("a"))
        await stage.ask("k", result("c1", "begin " + "y" * 9000 + " end"))
        shown = channel.heard()[-1]
        assert isinstance(shown, ToolEntry)
        text = text_of(shown.content)
        assert text.startswith("begin ")
        assert text.endswith(" end")
        assert "characters are left out here" in text
        assert len(text) < 2000
        stored = await store.transcript(SessionName("main", "k"))
        kept = [e.entry for e in stored if isinstance(e.entry, ToolEntry)]
        assert len(text_of(kept[0].content)) == 9010


def test_an_estimate_learns_from_what_models_count() -> None:
    estimate = Estimate()
    entries = [user(LONG)] * 10
    for _ in range(20):
        guessed = estimate.of(entries)
        estimate.learn(guessed, 4000)
    assert abs(estimate.of(entries) - 4000) < 100
    estimate.learn(estimate.of(entries), 0)
    assert abs(estimate.of(entries) - 4000) < 100


ENTRIES = st.lists(
    st.one_of(
        st.builds(user, st.text(max_size=40)),
        st.builds(said, st.text(max_size=40)),
        st.integers(1, 3),
    ),
    max_size=20,
)


@settings(max_examples=200)
@given(entries=ENTRIES, keep=st.integers(0, 200))
def test_no_cut_ever_parts_a_call_from_its_result(
    entries: list[TranscriptEntry | int], keep: int
) -> None:
    whole: list[TranscriptEntry] = []
    for number, entry in enumerate(entries):
        if isinstance(entry, int):
            ids = [f"c{number}.{n}" for n in range(entry)]
            whole += [calls(*ids), *(result(id_) for id_ in reversed(ids))]
        else:
            whole.append(entry)
    cut = find_cut(whole, Estimate(), keep)
    if cut is not None:
        assert 1 <= cut.upto < len(whole)
        assert not open_calls(whole[: cut.upto])
        open_calls(whole[cut.upto :])


@given(text=st.text(max_size=2000), most=st.integers(1, 300))
def test_a_shortened_result_is_never_longer(text: str, most: int) -> None:
    (entry,) = with_short_results([result("c", text)], Estimate(), most)
    assert isinstance(entry, ToolEntry)
    if entry.content != text:
        assert Estimate().of([entry]) <= most + 40
