"""Any store: what is read is what was written, and waking reads no more than it needs."""

import pytest

from greenroom.actors.channels.channel import (
    FinishReason,
    Usage,
)
from greenroom.actors.entries import (
    AssistantEntry,
    SummaryEntry,
    UserEntry,
)
from greenroom.actors.stores.records import (
    AcceptedTurn,
    Fence,
    SessionName,
    StoredTurn,
    TurnEnd,
)
from greenroom.actors.stores.store import Store
from tests.actors.stores.conftest import (
    NAME,
    OTHER,
    RICH,
    RICH_DELTAS,
    accepted,
    failed,
    finished,
    numbers,
    say,
    talk,
    words,
)

# Waking


async def test_of_a_session_that_is_not_there_nothing_is_read(store: Store) -> None:
    await talk(store, OTHER)
    assert await store.load(NAME) is None
    assert await store.info(NAME) is None
    assert await store.turn(NAME, "t1") is None
    assert await store.find(NAME, "key") is None
    assert await store.find_turn("t9") is None
    assert await store.earlier(NAME) == ()
    assert await store.transcript(NAME, cut=True) == ()


async def test_waking_reads_fence_times_and_transcript(store: Store) -> None:
    fence, entries = await talk(store, turns=2, at=1000.0)
    fence, added = await say(store, NAME, fence, "t3", at=2000.0)
    state = await store.load(NAME)
    assert state is not None
    assert state.name == NAME
    assert state.fence == Fence(fence.epoch, fence.head)
    assert (state.created, state.active, state.reset) == (1000.0, 2000.0, None)
    assert state.entries == (*entries, *added)
    assert (state.earlier, state.open_turns, state.fork) == (False, (), None)


async def test_an_open_turn_is_told_as_it_was_accepted(store: Store) -> None:
    fence, _ = await talk(store)
    turn = accepted("t2", "One", "Two", at=2000.0, keep_to=3, streamed=False)
    await store.accept(NAME, fence, turn)
    state = await store.load(NAME)
    assert state is not None
    assert state.open_turns == (turn,)


async def test_open_turns_are_told_in_order(store: Store) -> None:
    fence = Fence()
    for id_ in ("b", "a", "c"):
        fence = await store.accept(NAME, fence, accepted(id_))
    await store.end(NAME, fence, (finished("a"),))
    state = await store.load(NAME)
    assert state is not None
    assert [turn.id for turn in state.open_turns] == ["b", "c"]


async def test_waking_reads_the_last_summary_and_what_is_behind_what_it_stands_for(
    store: Store,
) -> None:
    fence, entries = await talk(store, turns=3)
    fence, summary = await store.compact(NAME, fence, "t3", SummaryEntry("So far."), entries[3].seq)
    _, added = await say(store, NAME, fence, "t4")
    state = await store.load(NAME)
    assert state is not None
    assert state.entries == (summary, *entries[4:], *added)
    assert state.earlier
    assert await store.earlier(NAME) == tuple(entries[:4])


async def test_where_a_summary_stands_for_nothing_live_there_is_nothing_earlier(
    store: Store,
) -> None:
    fence, _ = await talk(store)
    fence = await store.reset(NAME, fence, 2000.0)
    fence, summary = await store.compact(NAME, fence, "t1", SummaryEntry("Once."), fence.head)
    _, added = await say(store, NAME, fence, "t2")
    state = await store.load(NAME)
    assert state is not None
    assert (state.entries, state.earlier) == ((summary, *added), False)
    assert await store.earlier(NAME) == ()


async def test_without_a_summary_there_is_nothing_earlier(store: Store) -> None:
    await talk(store, turns=2)
    assert await store.earlier(NAME) == ()


async def test_activity_never_goes_back(store: Store) -> None:
    fence, _ = await talk(store, at=5000.0)
    fence, _ = await say(store, NAME, fence, "t2", at=3000.0)
    fence, _ = await store.compact(NAME, fence, "t2", SummaryEntry("So far."), 3)
    state = await store.load(NAME)
    assert state is not None
    assert (state.created, state.active) == (5000.0, 5000.0)
    await store.reset(NAME, fence, 6000.0)
    state = await store.load(NAME)
    assert state is not None
    assert state.active == 6000.0


# Turns


@pytest.mark.parametrize(
    ("turn", "end"),
    [
        (accepted(), finished()),
        (accepted(), failed()),
        (accepted("t1", *"abc"), finished(entries=())),
        (
            accepted(idempotency="k", keep_to=0, added=RICH, fingerprint=b"\0\xff"),
            finished(entries=RICH, deltas=RICH_DELTAS, reason=FinishReason.TOOL_CALLS, cut_from=1),
        ),
        (accepted(added=RICH), finished(entries=RICH[:2], deltas=words("x" * 100_000))),
        (
            accepted(added=(UserEntry("Hi"),)),
            finished(entries=(UserEntry("Hi there"), AssistantEntry("Hi"))),
        ),
        (
            accepted(added=()),
            finished(
                usage=Usage(1, 2, 3, 4, 5), cost=None, served=None, reason=FinishReason.LENGTH
            ),
        ),
        (accepted(added=RICH[:1]), finished(entries=(SummaryEntry(None, (UserEntry("P"),)),))),
    ],
)
async def test_a_turn_is_told_again_as_it_was(
    turn: AcceptedTurn, end: TurnEnd, store: Store
) -> None:
    fence = await store.accept(NAME, Fence(), turn)
    assert await store.turn(NAME, "t1") == StoredTurn(turn, None)
    fence, entries = await store.end(NAME, fence, (end,))
    assert tuple(entry.entry for entry in entries) == end.entries
    assert await store.turn(NAME, "t1") == StoredTurn(turn, end)
    assert await store.find_turn("t1") == (NAME, StoredTurn(turn, end))
    assert await store.transcript(NAME) == entries


async def test_a_turn_is_told_the_same_after_its_entries_were_cut(store: Store) -> None:
    fence, _ = await talk(store)
    before = await store.turn(NAME, "t1")
    await store.reset(NAME, fence, 2000.0)
    assert await store.turn(NAME, "t1") == before


async def test_a_turn_is_found_in_its_own_session_only(store: Store) -> None:
    await talk(store, OTHER)
    assert await store.turn(NAME, "t1") is None
    found = await store.find_turn("t1")
    assert found is not None
    assert found[0] == OTHER


async def test_a_client_s_own_key_finds_the_latest_turn_that_has_it(store: Store) -> None:
    fence = await store.accept(NAME, Fence(), accepted("t1", idempotency="key"))
    fence, _ = await store.end(NAME, fence, (failed("t1"),))
    fence = await store.accept(NAME, fence, accepted("t2", idempotency="other"))
    assert await store.find(NAME, "key") == StoredTurn(
        accepted("t1", idempotency="key"), failed("t1")
    )
    fence = await store.accept(NAME, fence, accepted("t3", idempotency="key"))
    assert await store.find(NAME, "key") == StoredTurn(accepted("t3", idempotency="key"), None)
    await store.accept(OTHER, Fence(), accepted("t4", idempotency="theirs"))
    assert await store.find(NAME, "theirs") is None
    assert await store.find(NAME, "") is None


async def test_a_turn_is_found_again_by_its_fingerprint_the_latest_and_only_without_a_key(
    store: Store,
) -> None:
    fence = await store.accept(NAME, Fence(), accepted("t1", fingerprint=b"same"))
    fence, _ = await store.end(NAME, fence, (finished("t1"),))
    assert await store.find_again(NAME, b"same") == StoredTurn(
        accepted("t1", fingerprint=b"same"), finished("t1")
    )
    fence = await store.accept(NAME, fence, accepted("t2", fingerprint=b"same"))
    assert await store.find_again(NAME, b"same") == StoredTurn(
        accepted("t2", fingerprint=b"same"), None
    )
    await store.accept(NAME, fence, accepted("t3", idempotency="key", fingerprint=b"same"))
    assert await store.find_again(NAME, b"same") == StoredTurn(
        accepted("t2", fingerprint=b"same"), None
    )
    assert await store.find_again(NAME, b"other") is None
    assert await store.find_again(OTHER, b"same") is None


@pytest.mark.parametrize("since", [63, 64])
async def test_a_turn_is_found_again_among_the_last_64(store: Store, since: int) -> None:
    fence = await store.accept(NAME, Fence(), accepted("t", fingerprint=b"same"))
    for number in range(since):
        fence = await store.accept(NAME, fence, accepted(f"t{number}"))
    assert (await store.find_again(NAME, b"same") is not None) == (since < 64)


# Transcripts


async def test_a_transcript_is_read_in_pages(store: Store) -> None:
    _, entries = await talk(store, turns=4)
    read = numbers(await store.transcript(NAME, limit=3))
    assert len(read) == 3
    while page := numbers(await store.transcript(NAME, after=read[-1], limit=3)):
        assert len(page) <= 3
        read += page
    assert read == numbers(entries)


async def test_a_page_of_a_transcript_has_room(store: Store) -> None:
    await talk(store)
    with pytest.raises(ValueError, match="one entry at least"):
        await store.transcript(NAME, limit=0)


async def test_a_number_that_no_store_can_keep_is_refused(store: Store) -> None:
    fence, _ = await talk(store)
    with pytest.raises(ValueError, match="too large"):
        await store.accept(NAME, fence, accepted("t2", created=2**70))
    await say(store, NAME, fence, "t2")


async def test_a_page_of_all_that_was_said_has_what_was_cut(store: Store) -> None:
    fence, entries = await talk(store, turns=2)
    fence, summary = await store.compact(NAME, fence, "t2", SummaryEntry("1"), entries[1].seq)
    _, added = await say(store, NAME, fence, "t3", cut_from=entries[2].seq)
    assert await store.transcript(NAME) == (*entries[:2], summary, *added)
    first = await store.transcript(NAME, cut=True, limit=4)
    rest = await store.transcript(NAME, cut=True, after=first[-1].seq)
    assert numbers((*first, *rest)) == [*numbers(entries), summary.seq, *numbers(added)]
    assert [entry.seq for entry in (*first, *rest) if entry.cut is not None] == numbers(entries[2:])


# Names


@pytest.mark.parametrize(
    "name",
    [
        SessionName("", ""),
        SessionName("main", "'; DROP TABLE session; --"),
        SessionName("main", "a\0b"),
        SessionName("main", "\N{GREEN HEART}" * 300),
        SessionName("main", "%_*?"),
    ],
)
async def test_a_name_may_be_any_text(name: SessionName, store: Store) -> None:
    await talk(store)
    fence, entries = await talk(store, name)
    state = await store.load(name)
    assert state is not None
    assert (state.name, state.entries) == (name, tuple(entries))
    await say(store, name, fence, "t2")
    assert await store.delete(name)
    assert await store.load(NAME) is not None


async def test_text_that_is_no_text_is_refused_alone(store: Store) -> None:
    fence, _ = await talk(store)
    with pytest.raises(ValueError, match="surrogates"):
        await store.accept(NAME, fence, accepted("t2", "\ud800"))
    with pytest.raises(ValueError, match="surrogates"):
        await store.accept(SessionName("main", "\ud800"), Fence(), accepted("t2"))
    await say(store, NAME, fence, "t2")
