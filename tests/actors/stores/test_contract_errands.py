"""Any store: what a session waits for is kept until it is replaced, and goes with its session."""

import msgspec
import pytest

from greenroom.actors.entries import ToolCall
from greenroom.actors.stores.errands import (
    MOST_OF_A_SESSION,
    Approval,
    Business,
    Decision,
    Errand,
    Question,
    Reminder,
)
from greenroom.actors.stores.records import Retention, SessionName
from greenroom.actors.stores.store import Store
from tests.actors.stores.conftest import NAME, OTHER, Open, talk

PAY = ToolCall("c1", "pay", '{"to":"Zoë"}', inner=True)


def errand(
    id_: str = "e1",
    due: float = 100.0,
    business: Business | None = None,
    session: SessionName = NAME,
) -> Errand:
    return Errand(id_, session, 50.0, due, business or Reminder("Wake up."))


@pytest.mark.parametrize(
    "business",
    [
        Approval("t1", PAY),
        Approval("t1", PAY, Decision(approves=True, at=60.0, by="Ada", reason="Why not.")),
        Reminder("Wake up.", "0 7 * * *"),
        Question(OTHER, "What is it?", chain=("main",)),
    ],
)
async def test_every_kind_is_kept_as_it_is(business: Business, store: Store) -> None:
    await talk(store)
    kept = errand(business=business)
    await store.errands.add(kept)
    assert await store.errands.get("e1") == kept
    assert await store.errands.get("e2") is None


async def test_only_a_session_that_is_there_can_have_one(store: Store) -> None:
    with pytest.raises(ValueError, match="there is no session"):
        await store.errands.add(errand())


async def test_a_session_that_waits_is_kept_for_it_unless_the_store_is_too_large(
    store: Store,
) -> None:
    await talk(store, NAME, at=1000.0)
    await talk(store, OTHER, at=1000.0)
    await store.errands.add(errand())
    assert (await store.retain(Retention(max_idle=10.0), 5000.0)).deleted == (OTHER,)
    assert await store.errands.replace(errand(), errand(due=200.0))
    assert (await store.retain(Retention(max_bytes=1), 5000.0)).deleted == (NAME,)
    assert await store.errands.list() == []


async def test_no_two_have_one_id_and_a_session_has_so_many_at_most(store: Store) -> None:
    await talk(store)
    for number in range(MOST_OF_A_SESSION):
        await store.errands.add(errand(f"e{number}"))
    with pytest.raises(ValueError, match="which is its limit"):
        await store.errands.add(errand("more"))
    await store.errands.replace(errand("e0"), None)
    with pytest.raises(ValueError, match="there is an errand 'e1' already"):
        await store.errands.add(errand("e1"))


async def test_they_are_listed_by_session_and_by_page(store: Store) -> None:
    await talk(store)
    await talk(store, OTHER)
    for id_, session in (("a", NAME), ("b", OTHER), ("c", NAME), ("d", NAME)):
        await store.errands.add(errand(id_, session=session))
    assert [e.id for e in await store.errands.list()] == ["a", "b", "c", "d"]
    assert [e.id for e in await store.errands.list(NAME)] == ["a", "c", "d"]
    assert [e.id for e in await store.errands.list(NAME, after="a", limit=1)] == ["c"]
    assert await store.errands.list(SessionName("main", "nobody")) == []


async def test_those_are_due_whose_time_has_come_the_longest_first(store: Store) -> None:
    await talk(store)
    for id_, due in (("a", 300.0), ("b", 100.0), ("c", 200.0)):
        await store.errands.add(errand(id_, due))
    assert [e.id for e in await store.errands.due(250.0)] == ["b", "c"]
    assert [e.id for e in await store.errands.due(250.0, limit=1)] == ["b"]
    assert await store.errands.due(99.0) == []
    assert await store.errands.next_due(0.0) == 100.0
    assert await store.errands.next_due(200.0) == 300.0
    assert await store.errands.next_due(300.0) is None


async def test_one_is_replaced_only_as_it_was(store: Store) -> None:
    await talk(store)
    first = errand()
    await store.errands.add(first)
    second = msgspec.structs.replace(first, due=500.0, tries=1)
    assert await store.errands.replace(first, second)
    assert not await store.errands.replace(first, None)
    assert await store.errands.get("e1") == second
    assert await store.errands.due(499.0) == []
    assert await store.errands.replace(second, None)
    assert await store.errands.get("e1") is None


async def test_they_go_with_their_session(store: Store) -> None:
    await talk(store)
    await store.errands.add(errand())
    await store.delete(NAME)
    assert await store.errands.list() == []


async def test_they_outlive_the_store(opening: Open) -> None:
    async with opening() as store:
        await talk(store)
        await store.errands.add(errand())
    async with opening() as store:
        assert await store.errands.list() == [errand()]
