"""Any store: an append proves its fence, is durable, and numbers what it adds."""

from collections.abc import Awaitable, Callable

import pytest

from greenroom.actors.entries import AssistantEntry, SummaryEntry, UserEntry
from greenroom.actors.stores.records import (
    Fence,
    Fork,
    StoredEntry,
    StoredTurn,
    TurnEnd,
    TurnState,
)
from greenroom.actors.stores.store import Fenced, Store
from tests.actors.stores.conftest import (
    NAME,
    OTHER,
    Open,
    accepted,
    failed,
    finished,
    numbers,
    say,
    talk,
)

Append = Callable[[Store, Fence], Awaitable[object]]

APPENDS: dict[str, Append] = {
    "accept": lambda store, fence: store.accept(NAME, fence, accepted("t2")),
    "end": lambda store, fence: store.end(NAME, fence, (finished("open"),)),
    "compact": lambda store, fence: store.compact(NAME, fence, "t1", SummaryEntry("So far."), 1),
    "reset": lambda store, fence: store.reset(NAME, fence, 2000.0),
}


@pytest.fixture(params=APPENDS)
def append(request: pytest.FixtureRequest) -> Append:
    return APPENDS[request.param]


async def with_open_turn(store: Store) -> Fence:
    fence, _ = await talk(store)
    return await store.accept(NAME, fence, accepted("open"))


# Fences


async def test_a_first_acceptance_creates_the_session_and_claims_it(store: Store) -> None:
    fence = await store.accept(NAME, Fence(), accepted())
    assert fence == Fence(fence.epoch, 1, claimed=True)
    assert fence.epoch >= 1
    state = await store.load(NAME)
    assert state is not None
    assert state.fence == Fence(fence.epoch, 1, claimed=False)


async def test_a_fence_of_epoch_0_creates_and_nothing_else(store: Store) -> None:
    await talk(store)
    before = await store.load(NAME)
    for fence in (Fence(), Fence(claimed=True)):
        with pytest.raises(Fenced):
            await store.accept(NAME, fence, accepted("t2"))
    assert await store.load(NAME) == before


@pytest.mark.parametrize("name", ["end", "compact", "reset"])
async def test_only_an_acceptance_creates(name: str, store: Store) -> None:
    with pytest.raises((Fenced, ValueError)):
        await APPENDS[name](store, Fence())
    assert await store.load(NAME) is None


async def test_an_append_to_no_session_is_fenced(append: Append, store: Store) -> None:
    with pytest.raises(Fenced):
        await append(store, Fence(1, 4, claimed=True))
    assert await store.load(NAME) is None


async def test_the_first_append_of_an_owner_raises_the_epoch_and_fences_the_one_before(
    append: Append, store: Store
) -> None:
    first = await with_open_turn(store)
    state = await store.load(NAME)
    assert state is not None
    await append(store, state.fence)
    after = await store.load(NAME)
    assert after is not None
    assert after.fence.epoch == first.epoch + 1
    for each in APPENDS.values():
        with pytest.raises(Fenced):
            await each(store, first)
        with pytest.raises(Fenced):
            await each(store, Fence(first.epoch, after.fence.head, claimed=True))
    assert await store.load(NAME) == after


async def test_later_appends_of_an_owner_keep_the_epoch(append: Append, store: Store) -> None:
    fence = await with_open_turn(store)
    await append(store, fence)
    state = await store.load(NAME)
    assert state is not None
    assert state.fence.epoch == fence.epoch
    assert state.fence.head > fence.head


@pytest.mark.parametrize("off", [-1, 1])
@pytest.mark.parametrize("claimed", [True, False])
async def test_another_head_is_fenced_and_changes_nothing(
    off: int, claimed: bool, append: Append, store: Store
) -> None:
    fence = await with_open_turn(store)
    before = await store.load(NAME)
    with pytest.raises(Fenced):
        await append(store, Fence(fence.epoch, fence.head + off, claimed=claimed))
    assert await store.load(NAME) == before
    await append(store, fence)


async def test_the_owner_of_a_deleted_session_is_fenced(append: Append, store: Store) -> None:
    fence = await with_open_turn(store)
    await store.delete(NAME)
    with pytest.raises(Fenced):
        await append(store, fence)
    assert await store.load(NAME) is None


async def test_the_owner_of_a_deleted_session_does_not_own_the_next_of_that_name(
    append: Append, store: Store
) -> None:
    old = await with_open_turn(store)
    await store.delete(NAME)
    new = await with_open_turn(store)
    assert new.head == old.head
    for fence in (old, Fence(old.epoch, old.head)):
        with pytest.raises(Fenced):
            await append(store, fence)
    await append(store, new)


async def test_sessions_of_the_same_key_of_two_agents_are_two(store: Store) -> None:
    other = type(NAME)("beta", NAME.key)
    await talk(store, NAME, 1)
    await talk(store, other, 2)
    mine, theirs = await store.info(NAME), await store.info(other)
    assert mine is not None
    assert theirs is not None
    assert (mine.turns, theirs.turns) == (1, 2)


# Numbers


async def test_an_acceptance_takes_a_number_an_end_one_and_then_each_entry_one(
    store: Store,
) -> None:
    fence = await store.accept(NAME, Fence(), accepted("t1"))
    assert fence.head == 1
    fence, entries = await store.end(NAME, fence, (finished("t1", "A", "B"),))
    assert numbers(entries) == [3, 4, 5]
    assert fence.head == 5
    assert await store.transcript(NAME) == entries
    assert [entry.entry for entry in entries] == [
        UserEntry("Hi"),
        AssistantEntry("A"),
        AssistantEntry("B"),
    ]
    assert {entry.turn for entry in entries} == {"t1"}


async def test_a_reset_and_a_summary_take_a_number_each(store: Store) -> None:
    fence, _ = await talk(store)
    assert fence.head == 4
    fence, summary = await store.compact(NAME, fence, "t1", SummaryEntry("So far."), 3)
    assert (fence.head, summary) == (
        5,
        StoredEntry(5, "t1", SummaryEntry("So far."), upto=3),
    )
    assert (await store.reset(NAME, fence, 3000.0)).head == 6


async def test_several_turns_end_in_order_in_one_append(store: Store) -> None:
    fence = await store.accept(NAME, Fence(), accepted("a"))
    fence = await store.accept(NAME, fence, accepted("b"))
    fence = await store.accept(NAME, fence, accepted("c"))
    ends = (failed("b"), finished("a"), finished("c", entries=()))
    fence, entries = await store.end(NAME, fence, ends)
    assert (fence.head, numbers(entries)) == (8, [6, 7])
    for end in ends:
        stored = await store.turn(NAME, end.id)
        assert stored is not None
        assert stored.end == end


# Ends


async def test_a_turn_ends_once(store: Store) -> None:
    fence, _ = await talk(store)
    before = await store.load(NAME)
    with pytest.raises(ValueError, match="no open turn 't1'"):
        await store.end(NAME, fence, (finished("t1"),))
    fence = await store.accept(NAME, fence, accepted("t2"))
    with pytest.raises(ValueError, match="no open turn 't2'"):
        await store.end(NAME, fence, (finished("t2"), finished("t2")))
    after = await store.load(NAME)
    assert before is not None
    assert after is not None
    assert after.entries == before.entries
    assert [turn.id for turn in after.open_turns] == ["t2"]
    assert after.fence.head == fence.head


async def test_a_turn_of_another_session_is_none_of_this_one(store: Store) -> None:
    await store.accept(OTHER, Fence(), accepted("theirs"))
    fence, _ = await talk(store)
    with pytest.raises(ValueError, match="no open turn 'theirs'"):
        await store.end(NAME, fence, (finished("theirs"),))


@pytest.mark.parametrize("ends", [(), (TurnEnd("t1", TurnState.ACCEPTED, 1.0),)])
async def test_an_end_says_how_it_ended(ends: tuple[TurnEnd, ...], store: Store) -> None:
    fence = await store.accept(NAME, Fence(), accepted())
    with pytest.raises(ValueError, match="says how it ended"):
        await store.end(NAME, fence, ends)
    await store.end(NAME, fence, (finished(),))


async def test_a_turn_is_accepted_once(store: Store) -> None:
    fence, _ = await talk(store)
    with pytest.raises(ValueError, match="'t1' already"):
        await store.accept(NAME, fence, accepted("t1"))
    assert (await store.accept(NAME, fence, accepted("t2"))).head == fence.head + 1


@pytest.mark.parametrize("state", [TurnState.FAILED, TurnState.INTERRUPTED])
async def test_an_end_without_entries_leaves_the_transcript_as_it_is(
    state: TurnState, store: Store
) -> None:
    fence, entries = await talk(store)
    fence = await store.accept(NAME, fence, accepted("t2"))
    fence, added = await store.end(NAME, fence, (failed("t2", state=state),))
    assert added == ()
    assert list(await store.transcript(NAME)) == entries


async def test_a_cut_ends_the_transcript_before_what_follows(store: Store) -> None:
    fence, entries = await talk(store, turns=3)
    fence, added = await say(store, NAME, fence, "t4", cut_from=entries[2].seq)
    assert await store.transcript(NAME) == (*entries[:2], *added)
    everything = await store.transcript(NAME, cut=True)
    at = added[0].seq - 1
    assert [entry.cut for entry in everything] == [None, None, at, at, at, at, None, None]
    assert numbers(everything) == [*numbers(entries), *numbers(added)]
    again, _ = await say(store, NAME, fence, "t5", cut_from=1)
    assert [entry.cut for entry in await store.transcript(NAME, cut=True)][:8] == [
        *[again.head - 2] * 2,
        *[at] * 4,
        *[again.head - 2] * 2,
    ]


async def test_a_cut_from_behind_the_end_cuts_nothing(store: Store) -> None:
    fence, entries = await talk(store)
    _, added = await say(store, NAME, fence, "t2", cut_from=entries[-1].seq + 1)
    assert await store.transcript(NAME) == (*entries, *added)


# Summaries


async def test_a_summary_stands_for_something(store: Store) -> None:
    fence, _ = await talk(store)
    for upto in (0, -1, fence.head + 1):
        with pytest.raises(ValueError, match="nothing numbered"):
            await store.compact(NAME, fence, "t1", SummaryEntry("So far."), upto)
    await store.compact(NAME, fence, "t1", SummaryEntry("So far."), fence.head)


async def test_a_summary_among_a_turns_entries_stands_for_all_before_it(store: Store) -> None:
    fence, entries = await talk(store)
    summary = SummaryEntry(None, pinned=(UserEntry("Keep this.", pinned=True),))
    fence, added = await say(
        store, NAME, fence, "t2", entries=(summary, UserEntry("Hi"), AssistantEntry("Yes."))
    )
    assert [entry.upto for entry in added] == [added[0].seq - 1, None, None]
    state = await store.load(NAME)
    assert state is not None
    assert state.entries == added
    assert await store.earlier(NAME) == tuple(entries)


async def test_a_cut_takes_a_summary_along_that_stands_for_what_is_cut(store: Store) -> None:
    fence, entries = await talk(store, turns=3)
    fence, summary = await store.compact(NAME, fence, "t3", SummaryEntry("So far."), entries[3].seq)
    kept, _ = await say(store, NAME, fence, "t4", cut_from=entries[4].seq)
    state = await store.load(NAME)
    assert state is not None
    assert state.entries[0] == summary
    _, added = await say(store, NAME, kept, "t5", cut_from=entries[3].seq)
    state = await store.load(NAME)
    assert state is not None
    assert state.entries == (*entries[:3], *added)
    assert not state.earlier
    assert await store.earlier(NAME) == ()


async def test_where_the_last_summary_is_cut_the_one_before_it_counts(store: Store) -> None:
    fence, entries = await talk(store, turns=3)
    fence, first = await store.compact(NAME, fence, "t3", SummaryEntry("1"), entries[1].seq)
    fence, second = await store.compact(NAME, fence, "t3", SummaryEntry("2"), entries[3].seq)
    state = await store.load(NAME)
    assert state is not None
    assert state.entries == (second, *entries[4:])
    assert await store.earlier(NAME) == tuple(entries[:4])
    _, added = await say(store, NAME, fence, "t4", cut_from=entries[2].seq)
    state = await store.load(NAME)
    assert state is not None
    assert state.entries == (first, *added)
    assert await store.earlier(NAME) == tuple(entries[:2])


async def test_of_two_summaries_the_one_that_reaches_further_is_the_last(store: Store) -> None:
    fence, entries = await talk(store, turns=2)
    fence, far = await store.compact(NAME, fence, "t2", SummaryEntry("far"), entries[2].seq)
    fence, _ = await store.compact(NAME, fence, "t2", SummaryEntry("near"), entries[0].seq)
    state = await store.load(NAME)
    assert state is not None
    assert state.entries == (far, entries[3])
    fence, same = await store.compact(NAME, fence, "t2", SummaryEntry("again"), entries[2].seq)
    state = await store.load(NAME)
    assert state is not None
    assert state.entries == (same, entries[3])


# Resets


async def test_a_reset_cuts_everything_and_tells_when(store: Store) -> None:
    fence, entries = await talk(store, turns=2)
    fence, _ = await store.compact(NAME, fence, "t2", SummaryEntry("So far."), entries[1].seq)
    fence = await store.reset(NAME, fence, 5000.0)
    state = await store.load(NAME)
    assert state is not None
    assert (state.entries, state.earlier, state.reset) == ((), False, 5000.0)
    assert await store.transcript(NAME) == ()
    everything = await store.transcript(NAME, cut=True)
    assert {entry.cut for entry in everything} == {fence.head}
    assert len(everything) == 5
    _, added = await say(store, NAME, fence, "t3")
    assert await store.transcript(NAME) == added


async def test_a_reset_leaves_open_turns_open(store: Store) -> None:
    fence = await with_open_turn(store)
    await store.reset(NAME, fence, 5000.0)
    state = await store.load(NAME)
    assert state is not None
    assert [turn.id for turn in state.open_turns] == ["open"]


# Durability


async def test_what_was_appended_is_there_when_the_store_is_opened_again(opening: Open) -> None:
    async with opening() as store:
        fence, _ = await talk(store, turns=2)
        fence = await store.accept(NAME, fence, accepted("open", idempotency="key"))
        await store.reset(NAME, fence, 5000.0)
        before = await store.load(NAME)
        told = await store.turn(NAME, "t2")
    async with opening() as store:
        assert await store.load(NAME) == before
        assert await store.turn(NAME, "t2") == told
        assert await store.find(NAME, "key") == StoredTurn(
            accepted("open", idempotency="key"), None
        )


async def test_a_fork_names_a_session_that_does_not_exist_yet(store: Store) -> None:
    fence, entries = await talk(store)
    await talk(store, OTHER)
    with pytest.raises(ValueError, match="does not exist yet"):
        await store.accept(NAME, fence, accepted("t2"), fork=Fork(OTHER, 4, 4))
    assert list(await store.transcript(NAME)) == entries
