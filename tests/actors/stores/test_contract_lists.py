"""Any store: sessions are listed latest first, in pages, and each tells its own size."""

import pytest

from greenroom.actors.entries import SummaryEntry
from greenroom.actors.stores.records import (
    Fence,
    Query,
    SessionInfo,
    SessionName,
)
from greenroom.actors.stores.store import Store
from tests.actors.stores.conftest import NAME, OTHER, accepted, failed, finished, say, talk


async def filled(store: Store, many: int = 9) -> list[SessionName]:
    """Sessions of two agents, the latest first."""
    names = [SessionName(f"agent{n % 2}", f"{'ab'[n % 3 > 0]}:{n}") for n in range(many)]
    for at, name in enumerate(reversed(names)):
        await store.accept(name, Fence(), accepted(at=1000.0 + at))
    return names


async def listed(store: Store, query: Query) -> list[SessionName]:
    return [info.name for info in (await store.list(query)).sessions]


async def test_of_an_empty_store_there_is_one_empty_page(store: Store) -> None:
    page = await store.list(Query())
    assert (page.sessions, page.next) == ((), None)


async def test_the_latest_come_first(store: Store) -> None:
    names = await filled(store)
    assert await listed(store, Query()) == names
    state = await store.load(names[5])
    assert state is not None
    await store.accept(names[5], state.fence, accepted("t2", at=9000.0))
    assert await listed(store, Query()) == [names[5], *names[:5], *names[6:]]


@pytest.mark.parametrize("limit", [1, 2, 4, 8, 9, 10])
async def test_pages_go_on_where_the_one_before_ended(limit: int, store: Store) -> None:
    names = await filled(store)
    read: list[SessionName] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        page = await store.list(Query(after=cursor, limit=limit))
        assert len(page.sessions) <= limit
        read += [info.name for info in page.sessions]
        cursor, pages = page.next, pages + 1
    assert read == names
    assert pages == -(-len(names) // limit)


async def test_sessions_of_the_same_moment_are_on_one_page_each(store: Store) -> None:
    names = [SessionName("main", str(n)) for n in range(7)]
    for name in names:
        await store.accept(name, Fence(), accepted())
    first = await store.list(Query(limit=3))
    second = await store.list(Query(limit=3, after=first.next))
    third = await store.list(Query(limit=3, after=second.next))
    pages = [first, second, third]
    assert [len(page.sessions) for page in pages] == [3, 3, 1]
    assert third.next is None
    assert {info.name for page in pages for info in page.sessions} == set(names)


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        (Query(agent="agent1"), {1, 3, 5, 7}),
        (Query(agent="nobody"), set[int]()),
        (Query(prefix="a:"), {0, 3, 6}),
        (Query(prefix="a:", agent="agent0"), {0, 6}),
        (Query(prefix="b:7"), {7}),
        (Query(prefix="c"), set[int]()),
        (Query(active_since=1004.0), {0, 1, 2, 3, 4}),
        (Query(active_before=1004.0), {5, 6, 7, 8}),
        (Query(active_since=1002.0, active_before=1006.0), {3, 4, 5, 6}),
        (Query(active_since=1002.0, prefix="b", agent="agent1"), {1, 5}),
    ],
)
async def test_a_query_narrows(query: Query, chosen: set[int], store: Store) -> None:
    names = await filled(store)
    assert await listed(store, query) == [names[n] for n in sorted(chosen)]


@pytest.mark.parametrize(
    "prefix", ["%", "_", "a\0", "\ud7ff", "x\U0010ffff", "\U0010ffff", "\N{GREEN HEART}"]
)
async def test_a_prefix_is_taken_literally(prefix: str, store: Store) -> None:
    after = "\ue000" if prefix == "\ud7ff" else "y"
    mine = {SessionName("main", prefix), SessionName("main", f"{prefix}more\U0010ffff")}
    for name in (*mine, SessionName("main", after), SessionName("main", "a"), NAME):
        await store.accept(name, Fence(), accepted())
    assert set(await listed(store, Query(prefix=prefix))) == mine
    assert set(await listed(store, Query(prefix=prefix, agent="main"))) == mine


@pytest.mark.parametrize("after", ["", "x", "1.0-", "-1", "1.0-x", "1.0-" + "9" * 30])
async def test_what_is_no_cursor_is_refused(after: str, store: Store) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        await store.list(Query(after=after))


async def test_a_page_has_room(store: Store) -> None:
    with pytest.raises(ValueError, match="one session at least"):
        await store.list(Query(limit=0))


# One line


async def test_a_line_counts_turns_and_live_entries(store: Store) -> None:
    fence, entries = await talk(store, turns=3)
    fence = await store.accept(NAME, fence, accepted("t4", at=4000.0))
    fence, _ = await store.end(NAME, fence, (failed("t4", at=4000.0),))
    fence, _ = await store.compact(NAME, fence, "t4", SummaryEntry("1"), entries[1].seq)
    info = await store.info(NAME)
    assert info is not None
    assert info == SessionInfo(NAME, 1000.0, 4000.0, fence.head, 4, 7, info.size)
    assert (await store.list(Query())).sessions == (info,)
    fence, _ = await say(store, NAME, fence, "t5", cut_from=entries[2].seq)
    info = await store.info(NAME)
    assert info is not None
    assert (info.turns, info.entries) == (5, 5)


async def test_a_size_is_of_what_the_journal_says(store: Store) -> None:
    text = "x" * 10_000
    fence = await store.accept(NAME, Fence(), accepted("t1", text))
    sizes: list[int] = []
    info = await store.info(NAME)
    assert info is not None
    sizes.append(info.size)
    fence, _ = await store.end(NAME, fence, (finished("t1", said=text),))
    info = await store.info(NAME)
    assert info is not None
    sizes.append(info.size)
    # What the turn added and what its end begins with are the same, and counted once.
    assert 10_000 < sizes[0] < 10_300
    assert 10_000 < sizes[1] < 10_700
    fence = await store.reset(NAME, fence, 2000.0)
    info = await store.info(NAME)
    assert info is not None
    assert info.size == sizes[1]
    await store.accept(OTHER, Fence(), accepted("u1", ""))
    theirs = await store.info(OTHER)
    assert theirs is not None
    assert theirs.size < 300
