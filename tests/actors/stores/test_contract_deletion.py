"""Any store: what is deleted is gone, and retention deletes and forgets what is due, and no more."""

import math

import msgspec

from greenroom.actors.stores.records import (
    Fence,
    Kept,
    Query,
    Retention,
    SessionName,
    StoredTurn,
)
from greenroom.actors.stores.store import Store
from tests.actors.stores.conftest import NAME, OTHER, accepted, finished, say, talk

DAY = 86_400.0
NEVER = Retention(replay=math.inf)


async def names(store: Store) -> list[str]:
    return [info.name.key for info in (await store.list(Query())).sessions]


async def idle_since(store: Store, *times: float) -> list[SessionName]:
    """Sessions by the time of their last append, without open turns."""
    made = [SessionName("main", f"{at:.0f}") for at in times]
    for name, at in zip(made, times, strict=True):
        await talk(store, name, at=at)
    return made


# Deleting


async def test_a_deleted_session_is_gone_with_its_turns(store: Store) -> None:
    await talk(store, turns=2)
    fence = await store.accept(OTHER, Fence(), accepted("theirs"))
    assert await store.delete(NAME)
    assert await store.load(NAME) is None
    assert await store.info(NAME) is None
    assert await store.find_turn("t1") is None
    assert await store.transcript(NAME, cut=True) == ()
    assert await names(store) == [OTHER.key]
    await store.end(OTHER, fence, (finished("theirs"),))


async def test_what_is_not_there_is_not_deleted(store: Store) -> None:
    assert not await store.delete(NAME)
    await talk(store)
    assert await store.delete(NAME)
    assert not await store.delete(NAME)


async def test_a_session_of_a_deleted_ones_name_begins_anew(store: Store) -> None:
    await talk(store, turns=3)
    await store.delete(NAME)
    fence, entries = await talk(store)
    state = await store.load(NAME)
    assert state is not None
    assert (state.entries, fence.head) == (tuple(entries), 4)


# Retention


async def test_without_a_limit_nothing_is_deleted(store: Store) -> None:
    await talk(store)
    assert await store.retain(NEVER, 1e12) == Kept()
    assert await names(store) == [NAME.key]


async def test_who_was_idle_for_too_long_is_deleted_the_idlest_first(store: Store) -> None:
    made = await idle_since(store, 3000.0, 1000.0, 2000.0, 4000.0)
    retention = msgspec.structs.replace(NEVER, max_idle=1000.0)
    kept = await store.retain(retention, 4500.0, most=2)
    assert kept == Kept(deleted=(made[1], made[2]), more=True)
    assert await store.retain(retention, 4500.0, most=2) == Kept(deleted=(made[0],))
    assert await names(store) == ["4000"]
    assert await store.retain(retention, 4500.0) == Kept()


async def test_what_was_made_to_last_so_long_is_deleted_then_whatever_else_is_kept(
    store: Store,
) -> None:
    fence = await store.accept(NAME, Fence(), accepted(at=1000.0), lasts=500.0)
    await store.accept(OTHER, Fence(), accepted("u1", at=1000.0))
    await store.end(NAME, fence, (finished(at=1100.0),))
    assert await store.retain(Retention(), 1600.0) == Kept()
    assert await store.retain(Retention(), 1601.0) == Kept((NAME,))
    assert await store.info(OTHER) is not None


async def test_a_step_is_bounded_and_says_whether_there_is_more(store: Store) -> None:
    await idle_since(store, *(1000.0 + n for n in range(40)))
    retention = msgspec.structs.replace(NEVER, max_idle=1.0)
    first = await store.retain(retention, 1e6, most=7)
    assert ([name.key for name in first.deleted], first.more) == (
        [f"{1000 + n}" for n in range(7)],
        True,
    )
    rest = await store.retain(retention, 1e6, most=33)
    assert (len(rest.deleted), rest.more) == (33, False)


async def test_nothing_is_deleted_by_a_step_of_none(store: Store) -> None:
    await talk(store)
    assert await store.retain(Retention(max_idle=1.0), 1e6, most=0) == Kept(more=True)
    assert await names(store) == [NAME.key]


async def test_an_open_turn_protects_its_session_for_a_day(store: Store) -> None:
    await store.accept(NAME, Fence(), accepted(at=1000.0))
    retention = Retention(max_idle=10.0)
    assert await store.retain(retention, 1000.0 + DAY) == Kept()
    kept = await store.retain(retention, 1000.1 + DAY)
    assert kept == Kept(deleted=(NAME,))


async def test_a_store_that_is_too_large_loses_the_idlest(store: Store) -> None:
    big = "x" * 200_000
    for n in range(10):
        name = SessionName("main", str(n))
        fence = await store.accept(name, Fence(), accepted("t1", big, at=1000.0 + n))
        await store.end(name, fence, (finished("t1", said=big, at=1000.0 + n),))
    retention = msgspec.structs.replace(NEVER, max_bytes=1_300_000)
    kept = await store.retain(retention, 5000.0)
    assert not kept.more
    assert 4 <= len(kept.deleted) <= 6
    assert [name.key for name in kept.deleted] == [str(n) for n in range(len(kept.deleted))]
    assert (await store.retain(retention, 5000.0)).deleted == ()


async def test_who_was_active_a_moment_ago_is_not_deleted_to_make_room(store: Store) -> None:
    await talk(store, NAME, at=1000.0)
    await talk(store, OTHER, at=900.0)
    retention = msgspec.structs.replace(NEVER, max_bytes=1)
    assert await store.retain(retention, 1030.0) == Kept(deleted=(OTHER,))
    assert await names(store) == [NAME.key]


async def test_what_was_streamed_is_forgotten_after_a_while_and_the_turn_stays(
    store: Store,
) -> None:
    fence, _ = await talk(store, at=1000.0)
    fence, _ = await say(store, NAME, fence, "t2", at=2000.0)
    fence, _ = await say(store, NAME, fence, "t3", at=1000.0, deltas=())
    before = await store.info(NAME)
    retention = Retention(replay=500.0)
    assert await store.retain(retention, 1500.0) == Kept()
    assert await store.retain(retention, 1500.1) == Kept(forgotten=1)
    end = msgspec.structs.replace(finished(at=1000.0, said="Hi 1"), deltas=())
    assert await store.turn(NAME, "t1") == StoredTurn(accepted("t1", "Hi 1"), end, forgotten=True)
    assert await store.turn(NAME, "t2") == StoredTurn(
        accepted("t2", at=2000.0), finished("t2", at=2000.0)
    )
    silent = await store.turn(NAME, "t3")
    assert silent is not None
    assert not silent.forgotten
    after = await store.info(NAME)
    assert before is not None
    assert after is not None
    assert after.size < before.size


async def test_deleting_and_forgetting_share_a_steps_bound(store: Store) -> None:
    await idle_since(store, 1000.0, 1001.0)
    await talk(store, OTHER, turns=5, at=5000.0)
    retention = Retention(max_idle=1000.0, replay=100.0)
    first = await store.retain(retention, 5500.0, most=4)
    assert (len(first.deleted), first.forgotten, first.more) == (2, 2, True)
    second = await store.retain(retention, 5500.0, most=4)
    assert (second.deleted, second.forgotten, second.more) == ((), 3, False)


async def test_a_session_that_is_appended_to_meanwhile_is_kept(store: Store) -> None:
    fence, _ = await talk(store, at=1000.0)
    retention = Retention(max_idle=1000.0)
    await say(store, NAME, fence, "t2", at=2500.0)
    assert (await store.retain(retention, 3000.0)).deleted == ()
    assert await store.load(NAME) is not None
