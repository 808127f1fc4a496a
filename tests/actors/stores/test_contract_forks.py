"""Any store: a fork has what its source had, whatever becomes of that."""

import pytest

from greenroom.actors.entries import SummaryEntry
from greenroom.actors.stores.records import (
    Fence,
    Fork,
    SessionName,
    StoredEntry,
)
from greenroom.actors.stores.store import Fenced, SourceMissing, Store
from tests.actors.stores.conftest import NAME, OTHER, accepted, numbers, say, talk

THIRD = SessionName("beta", "third")


async def live(store: Store, name: SessionName) -> tuple[StoredEntry, ...]:
    """What a session's next prompt has."""
    state = await store.load(name)
    assert state is not None
    return state.entries


async def test_a_fork_begins_with_its_source_up_to_a_number(store: Store) -> None:
    fence, entries = await talk(store, turns=3)
    fork = Fork(NAME, entries[3].seq, fence.head)
    _, added = await say(store, OTHER, Fence(), "u1", fork=fork)
    assert await live(store, OTHER) == (*entries[:4], *added)
    assert await store.transcript(OTHER) == (*entries[:4], *added)
    assert await live(store, NAME) == tuple(entries)
    state, info = await store.load(OTHER), await store.info(OTHER)
    assert state is not None
    assert info is not None
    assert state.fork == info.fork == fork
    assert (info.turns, info.entries) == (1, 6)


async def test_a_forks_numbers_go_on_from_the_head_it_was_forked_at(store: Store) -> None:
    fence, entries = await talk(store, turns=2)
    fork = Fork(NAME, entries[0].seq, fence.head)
    fence = await store.accept(OTHER, Fence(), accepted("u1"), fork=fork)
    assert fence.head == fork.head + 1


async def test_a_fork_is_foreseen_as_it_will_be(store: Store) -> None:
    fence, entries = await talk(store, turns=3)
    fence, _ = await store.compact(NAME, fence, "t3", SummaryEntry("So far."), entries[1].seq)
    for seq in (0, entries[1].seq, entries[4].seq, fence.head):
        fork = Fork(NAME, seq, fence.head)
        foreseen, earlier = await store.foresee(fork), await store.earlier(fork)
        name = SessionName("main", f"fork {seq}")
        await store.accept(name, Fence(), accepted("u1"), fork=fork)
        state = await store.load(name)
        assert state is not None
        assert (foreseen.entries, foreseen.earlier) == (state.entries, state.earlier)
        assert earlier == await store.earlier(name)
        assert (foreseen.fence, foreseen.fork, foreseen.name) == (Fence(), fork, NAME)
        assert (foreseen.created, foreseen.active) == (1000.0, 1000.0)
        assert foreseen.open_turns == ()


async def test_what_was_cut_in_the_source_afterwards_stays_with_the_fork(store: Store) -> None:
    fence, entries = await talk(store, turns=2)
    _, added = await say(store, OTHER, Fence(), "u1", fork=Fork(NAME, fence.head, fence.head))
    fence, _ = await say(store, NAME, fence, "t3", cut_from=entries[2].seq)
    await store.reset(NAME, fence, 2000.0)
    assert await live(store, OTHER) == (*entries, *added)


async def test_what_was_cut_in_the_source_before_is_not_the_forks(store: Store) -> None:
    fence, entries = await talk(store, turns=2)
    old = fence.head
    fence, said = await say(store, NAME, fence, "t3", cut_from=entries[2].seq)
    await store.accept(OTHER, Fence(), accepted("u1"), fork=Fork(NAME, fence.head, fence.head))
    assert await live(store, OTHER) == (*entries[:2], *said)
    assert await store.transcript(OTHER, cut=True) == (*entries[:2], *said)
    # As it stood before that, it was another.
    await store.accept(THIRD, Fence(), accepted("v1"), fork=Fork(NAME, old, old))
    assert await live(store, THIRD) == tuple(entries)


async def test_what_the_source_says_afterwards_is_not_the_forks(store: Store) -> None:
    fence, entries = await talk(store)
    fork = Fork(NAME, 1_000_000, fence.head)
    await store.accept(OTHER, Fence(), accepted("u1"), fork=fork)
    await say(store, NAME, fence, "t2")
    assert await live(store, OTHER) == tuple(entries)


async def test_a_fork_cuts_what_it_has_of_its_source_for_itself_alone(store: Store) -> None:
    fence, entries = await talk(store, turns=3)
    fork = Fork(NAME, fence.head, fence.head)
    mine, added = await say(store, OTHER, Fence(), "u1", fork=fork, cut_from=entries[4].seq)
    assert await live(store, OTHER) == (*entries[:4], *added)
    mine, more = await say(store, OTHER, mine, "u2", cut_from=entries[2].seq)
    assert await live(store, OTHER) == (*entries[:2], *more)
    everything = await store.transcript(OTHER, cut=True)
    assert numbers(everything) == numbers((*entries, *added, *more))
    assert [entry.cut for entry in everything] == [
        *[None] * 2,
        *[more[0].seq - 1] * 2,
        *[added[0].seq - 1] * 2,
        *[more[0].seq - 1] * 2,
        *[None] * 2,
    ]
    assert await live(store, NAME) == tuple(entries)
    assert (await store.transcript(NAME, cut=True)) == tuple(entries)
    await store.reset(OTHER, mine, 2000.0)
    assert await live(store, OTHER) == ()
    assert len(await store.transcript(OTHER, cut=True)) == len(everything)
    info = await store.info(OTHER)
    assert info is not None
    assert info.entries == 0


async def test_a_fork_of_a_fork_has_what_both_had(store: Store) -> None:
    fence, entries = await talk(store, turns=2)
    fork = Fork(NAME, entries[2].seq, fence.head)
    mine, added = await say(store, OTHER, Fence(), "u1", fork=fork)
    second = Fork(OTHER, added[0].seq, mine.head)
    _, last = await say(store, THIRD, Fence(), "v1", fork=second)
    assert await live(store, THIRD) == (*entries[:3], added[0], *last)
    # Even as its source was before it cut that.
    mine, _ = await say(store, OTHER, mine, "u2", cut_from=entries[1].seq)
    fourth, fifth = SessionName("main", "4"), SessionName("main", "5")
    await store.accept(fourth, Fence(), accepted("w1"), fork=second)
    assert await live(store, fourth) == (*entries[:3], added[0])
    now = Fork(OTHER, mine.head, mine.head)
    await store.accept(fifth, Fence(), accepted("x1"), fork=now)
    assert await live(store, fifth) == await live(store, OTHER)


async def test_a_fork_has_its_sources_summaries_and_makes_its_own(store: Store) -> None:
    fence, entries = await talk(store, turns=4)
    fence, summary = await store.compact(NAME, fence, "t4", SummaryEntry("1"), entries[3].seq)
    fork = Fork(NAME, entries[5].seq, fence.head)
    mine, added = await say(store, OTHER, Fence(), "u1", fork=fork)
    assert await live(store, OTHER) == (summary, *entries[4:6], *added)
    assert await store.earlier(OTHER) == tuple(entries[:4])
    # One that stands for a part of what was borrowed, as short as it may be.
    mine, own = await store.compact(OTHER, mine, "u1", SummaryEntry("2"), entries[4].seq)
    assert await live(store, OTHER) == (own, entries[5], *added)
    assert await store.earlier(OTHER) == tuple(entries[:5])
    await store.accept(THIRD, Fence(), accepted("v1"), fork=Fork(OTHER, entries[4].seq, mine.head))
    assert await live(store, THIRD) == (own,)
    assert await store.earlier(THIRD) == tuple(entries[:5])
    before = SessionName("main", "before")
    await store.accept(before, Fence(), accepted("w1"), fork=Fork(OTHER, entries[1].seq, mine.head))
    assert await live(store, before) == tuple(entries[:2])


async def test_a_turn_of_the_source_is_none_of_the_forks(store: Store) -> None:
    fence = await store.accept(NAME, Fence(), accepted("t1", idempotency="key"))
    await store.accept(OTHER, Fence(), accepted("t1"), fork=Fork(NAME, fence.head, fence.head))
    state = await store.load(OTHER)
    assert state is not None
    assert len(state.open_turns) == 1
    assert await store.find(OTHER, "key") is None


# What cannot be forked


async def test_a_source_has_to_be_there(store: Store) -> None:
    fork = Fork(NAME, 3, 4)
    with pytest.raises(SourceMissing):
        await store.accept(OTHER, Fence(), accepted("u1"), fork=fork)
    with pytest.raises(SourceMissing):
        await store.foresee(fork)
    assert await store.load(OTHER) is None


async def test_a_source_has_to_have_been_as_the_fork_says(store: Store) -> None:
    fence, _ = await talk(store)
    await store.accept(OTHER, Fence(), accepted("u1"), fork=Fork(NAME, 3, fence.head))
    for fork in (Fork(NAME, 3, fence.head + 1), Fork(OTHER, 3, fence.head - 1)):
        with pytest.raises(SourceMissing, match=str(fork.head)):
            await store.accept(THIRD, Fence(), accepted("v1"), fork=fork)
        with pytest.raises(SourceMissing):
            await store.foresee(fork)


async def test_a_fork_of_itself_is_fenced_or_missing(store: Store) -> None:
    with pytest.raises(SourceMissing):
        await store.accept(NAME, Fence(), accepted(), fork=Fork(NAME, 1, 1))
    fence, _ = await talk(store)
    with pytest.raises(Fenced):
        await store.accept(NAME, Fence(), accepted("t2"), fork=Fork(NAME, 1, fence.head))


# Sources that go


async def test_a_fork_keeps_what_it_has_when_its_source_is_deleted(store: Store) -> None:
    fence, entries = await talk(store, turns=3)
    fence, summary = await store.compact(NAME, fence, "t3", SummaryEntry("1"), entries[1].seq)
    fork = Fork(NAME, entries[3].seq, fence.head)
    mine, added = await say(store, OTHER, Fence(), "u1", fork=fork, cut_from=entries[3].seq)
    before = await store.transcript(OTHER, cut=True)
    assert await store.delete(NAME)
    assert await store.transcript(OTHER, cut=True) == before
    assert await live(store, OTHER) == (summary, entries[2], *added)
    assert await store.earlier(OTHER) == tuple(entries[:2])
    state, info = await store.load(OTHER), await store.info(OTHER)
    assert state is not None
    assert info is not None
    assert (state.fork, info.fork, info.entries) == (None, None, 6)
    await say(store, OTHER, mine, "u2", cut_from=entries[0].seq)
    assert len(await live(store, OTHER)) == 2


async def test_a_new_session_of_a_deleted_sources_name_is_nothing_to_its_forks(
    store: Store,
) -> None:
    fence, entries = await talk(store)
    await store.accept(OTHER, Fence(), accepted("u1"), fork=Fork(NAME, 4, fence.head))
    await store.delete(NAME)
    await talk(store, NAME, 3)
    assert await live(store, OTHER) == tuple(entries)
    assert len(await live(store, NAME)) == 6


async def test_a_fork_of_a_fork_outlives_both(store: Store) -> None:
    fence, entries = await talk(store, turns=2)
    fork = Fork(NAME, entries[1].seq, fence.head)
    mine, added = await say(store, OTHER, Fence(), "u1", fork=fork)
    second = Fork(OTHER, mine.head, mine.head)
    _, last = await say(store, THIRD, Fence(), "v1", fork=second)
    expected = (*entries[:2], *added, *last)
    for name in (NAME, OTHER):
        assert await store.delete(name)
        assert await live(store, THIRD) == expected
    assert await store.delete(THIRD)
    assert await store.load(THIRD) is None


async def test_a_fork_of_what_outlived_its_source_has_it_as_well(store: Store) -> None:
    fence, entries = await talk(store)
    mine, added = await say(store, OTHER, Fence(), "u1", fork=Fork(NAME, 9, fence.head))
    await store.delete(NAME)
    await store.accept(THIRD, Fence(), accepted("v1"), fork=Fork(OTHER, 99, mine.head))
    await store.delete(OTHER)
    assert await live(store, THIRD) == (*entries, *added)
