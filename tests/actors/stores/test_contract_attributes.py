"""Any store: what APIs keep with turns and sessions, and the two ways of taking something back."""

import msgspec
import pytest

from greenroom.actors.entries import AssistantEntry, SummaryEntry, UserEntry
from greenroom.actors.stores.records import (
    Fence,
    Fork,
    SessionName,
    StoredTurn,
)
from greenroom.actors.stores.store import Fenced, Store
from tests.actors.stores.conftest import (
    NAME,
    OTHER,
    accepted,
    finished,
    given,
    lines_of,
    numbers,
    say,
    talk,
)

ASKED = b'{"asked":\xff}'
NOWHERE = SessionName("main", "nowhere")


async def answered(store: Store, fence: Fence, id_: str, request: bytes | None = ASKED) -> Fence:
    """A whole turn that came with a request."""
    fence = await store.accept(NAME, fence, accepted(id_, request=request))
    fence, _ = await store.end(NAME, fence, (finished(id_),))
    return fence


# With a turn


async def test_a_turns_request_is_there_from_its_acceptance_on(store: Store) -> None:
    turn = accepted(request=ASKED)
    fence = await store.accept(NAME, Fence(), turn)
    assert await store.turn(NAME, "t1") == StoredTurn(turn, None)
    await store.end(NAME, fence, (finished(),))
    assert await store.turn(NAME, "t1") == StoredTurn(turn, finished())
    assert await store.find_turn("t1") == (NAME, StoredTurn(turn, finished()))


async def test_it_counts_in_the_sessions_size_and_is_given_back(store: Store) -> None:
    await answered(store, Fence(), "t1", None)
    without = await store.info(NAME)
    await store.delete(NAME)
    await answered(store, Fence(), "t1")
    info = await store.info(NAME)
    assert without is not None
    assert info is not None
    assert info.size == without.size + len(ASKED)
    await store.drop_request(NAME, "t1")
    dropped = await store.info(NAME)
    assert dropped is not None
    assert dropped.size < without.size


async def test_a_request_is_dropped_with_the_deltas_and_the_entries_stay(store: Store) -> None:
    fence = await answered(store, Fence(), "t1")
    before = await store.load(NAME)
    assert await store.drop_request(NAME, "t1") == 0
    found = await store.turn(NAME, "t1")
    assert found is not None
    assert found.accepted.request is None
    assert found.end == finished(deltas=())
    assert found.forgotten
    after = await store.load(NAME)
    assert before is not None
    assert after is not None
    assert after.entries == before.entries
    await say(store, NAME, fence, "t2")


async def test_dropping_tells_how_many_are_left(store: Store) -> None:
    fence = await answered(store, Fence(), "t1")
    fence = await answered(store, fence, "t2", None)
    fence = await answered(store, fence, "t3")
    assert await store.drop_request(NAME, "t1") == 1
    assert await store.drop_request(NAME, "t1") is None
    assert await store.drop_request(NAME, "t2") is None
    assert await store.drop_request(NAME, "t3") == 0
    assert await store.drop_request(NAME, "t9") is None
    assert await store.drop_request(NOWHERE, "t1") is None


async def test_an_open_turn_keeps_its_request(store: Store) -> None:
    await store.accept(NAME, Fence(), accepted(request=ASKED))
    assert await store.drop_request(NAME, "t1") is None
    found = await store.turn(NAME, "t1")
    assert found is not None
    assert found.accepted.request == ASKED


async def test_a_turns_end_has_a_last_number_that_a_fork_can_begin_at(store: Store) -> None:
    fence = await store.accept(NAME, Fence(), accepted())
    assert await store.until(NAME, "t1") is None
    fence, entries = await store.end(NAME, fence, (finished(),))
    until = await store.until(NAME, "t1")
    assert until == entries[-1].seq == fence.head
    await say(store, NAME, fence, "t2", cut_from=entries[0].seq)
    assert await store.until(NAME, "t1") == until
    assert await store.until(NAME, "t9") is None
    assert await store.until(NOWHERE, "t1") is None
    foreseen = await store.foresee(Fork(NAME, entries[-1].seq, entries[-1].seq))
    assert foreseen.entries == entries


# With a session


async def test_annotating_makes_a_session_without_a_turn(store: Store) -> None:
    fence = await store.annotate(NAME, Fence(), b"first", 1000.0)
    assert (fence.head, fence.claimed) == (1, True)
    info = await store.info(NAME)
    assert info is not None
    assert (info.attributes, info.turns, info.entries, info.created) == (b"first", 0, 0, 1000.0)
    state = await store.load(NAME)
    assert state is not None
    assert state.fence == Fence(fence.epoch, 1)
    _, entries = await say(store, NAME, fence, "t1", at=1100.0)
    assert await store.transcript(NAME) == entries


async def test_the_last_annotation_counts_and_is_in_lists(store: Store) -> None:
    fence, entries = await talk(store, at=1000.0)
    fence = await store.annotate(NAME, fence, b"first", 1001.0)
    fence = await store.annotate(NAME, fence, b"second", 1002.0)
    info = await store.info(NAME)
    assert info is not None
    assert (info.attributes, info.active, info.head) == (b"second", 1002.0, fence.head)
    assert await store.transcript(NAME) == tuple(entries)


async def test_annotating_proves_the_fence(store: Store) -> None:
    fence, _ = await talk(store)
    for wrong in (Fence(), msgspec.structs.replace(fence, head=fence.head - 1)):
        with pytest.raises(Fenced):
            await store.annotate(NAME, wrong, b"x", 1.0)
    info = await store.info(NAME)
    assert info is not None
    assert info.attributes is None


async def test_an_entry_is_erased_and_those_around_it_stay(store: Store) -> None:
    fence, entries = await talk(store, turns=2)
    erased = entries[2].seq
    fence = await store.erase(NAME, fence, erased)
    left = [entry for entry in entries if entry.seq != erased]
    assert list(await store.transcript(NAME)) == left
    state = await store.load(NAME)
    info = await store.info(NAME)
    assert state is not None
    assert info is not None
    assert (list(state.entries), info.entries) == (left, 3)
    (cut,) = [e for e in await store.transcript(NAME, cut=True) if e.cut is not None]
    assert (cut.seq, cut.cut) == (erased, fence.head)
    await say(store, NAME, fence, "t3")


async def test_only_a_live_entry_of_its_own_is_erased(store: Store) -> None:
    fence, entries = await talk(store, turns=2)
    summary = SummaryEntry("In short.")
    fence, stored = await store.compact(NAME, fence, "t2", summary, entries[0].seq)
    fence = await store.erase(NAME, fence, entries[2].seq)
    for wrong in (entries[2].seq, stored.seq, 999):
        with pytest.raises(ValueError, match=f"no live entry {wrong}"):
            await store.erase(NAME, fence, wrong)
    fork = Fork(NAME, fence.head, fence.head)
    theirs, _ = await say(store, OTHER, Fence(), "o1", fork=fork)
    with pytest.raises(ValueError, match="no live entry"):
        await store.erase(OTHER, theirs, entries[0].seq)
    await say(store, NAME, fence, "t3")


async def test_a_fork_keeps_what_its_source_erases(store: Store) -> None:
    fence, entries = await talk(store, turns=2)
    fork = Fork(NAME, fence.head, fence.head)
    await say(store, OTHER, Fence(), "o1", fork=fork)
    await store.erase(NAME, fence, entries[0].seq)
    theirs = await store.transcript(OTHER)
    assert theirs[: len(entries)] == tuple(entries)


async def test_erasing_proves_the_fence(store: Store) -> None:
    fence, entries = await talk(store)
    with pytest.raises(Fenced):
        await store.erase(NAME, Fence(fence.epoch, fence.head - 1), entries[0].seq)
    assert list(await store.transcript(NAME)) == entries


async def test_all_of_it_is_the_same_where_it_is_restored(store: Store) -> None:
    fence = await answered(store, Fence(), "t1")
    fence = await store.annotate(NAME, fence, b"\x00kept", 1002.0)
    entries = (UserEntry("a"), AssistantEntry("b"), UserEntry("c"))
    fence, stored = await say(store, NAME, fence, "t2", entries=entries)
    await store.erase(NAME, fence, stored[1].seq)
    lines = await lines_of(store, NAME)
    before = await store.info(NAME), await store.turn(NAME, "t1"), await store.transcript(NAME)
    await store.delete(NAME)
    await store.restore(given(lines))
    after = await store.info(NAME), await store.turn(NAME, "t1"), await store.transcript(NAME)
    assert after == before


# Pages that end somewhere


@pytest.mark.parametrize("cut", [False, True])
async def test_a_page_may_be_the_last_one_in_front_of_a_number(store: Store, cut: bool) -> None:
    fence, entries = await talk(store, turns=2)
    fork = Fork(NAME, fence.head, fence.head)
    _, more = await say(store, OTHER, Fence(), "o1", fork=fork)
    everything = numbers([*entries, *more])

    async def page(**where: int) -> list[int]:
        return numbers(await store.transcript(OTHER, cut=cut, **where))

    assert await page(before=2**40, limit=3) == everything[-3:]
    assert await page(before=everything[-3], limit=2) == everything[1:3]
    assert await page(before=everything[2], limit=10) == everything[:2]
    assert await page(before=everything[4], after=everything[1], limit=10) == everything[2:4]
    assert await page(before=everything[0], limit=10) == []
