"""Any store: finished turns of all sessions, found and listed by what their clients know of them."""

from collections.abc import Sequence
from typing import Any

import pytest

from greenroom.actors.stores.answered import TurnPage, TurnQuery
from greenroom.actors.stores.records import Fence, SessionName
from greenroom.actors.stores.store import Store
from tests.actors.stores.conftest import NAME, OTHER, accepted, failed, finished, given, lines_of

COPY = SessionName("main", "agent:main:copy")


async def answered(store: Store, name: SessionName, fence: Fence, id_: str, **fields: Any) -> Fence:
    fence = await store.accept(name, fence, accepted(id_, **fields))
    fence, _ = await store.end(name, fence, (finished(id_),))
    return fence


def ids(page: TurnPage) -> Sequence[str]:
    return [found.turn.accepted.id for found in page.turns]


async def three(store: Store) -> None:
    """Turns of two sessions, by two models, one of them with metadata."""
    fence = await answered(store, NAME, Fence(), "t1", model="a")
    await answered(store, OTHER, Fence(), "t2", model="b", metadata={"k": "v", "l": "w"})
    await answered(store, NAME, fence, "t3", model="a", metadata={"k": "v"})


async def test_they_come_in_the_order_of_the_store_or_the_other_way_round(store: Store) -> None:
    await three(store)
    assert ids(await store.turns(TurnQuery())) == ["t1", "t2", "t3"]
    assert ids(await store.turns(TurnQuery(latest_first=True))) == ["t3", "t2", "t1"]


async def test_a_page_goes_on_behind_the_one_before(store: Store) -> None:
    await three(store)
    first = await store.turns(TurnQuery(limit=2))
    assert (ids(first), first.more) == (["t1", "t2"], True)
    second = await store.turns(TurnQuery(limit=2, after="t2"))
    assert (ids(second), second.more) == (["t3"], False)
    back = await store.turns(TurnQuery(limit=2, after="t2", latest_first=True))
    assert (ids(back), back.more) == (["t1"], False)


@pytest.mark.parametrize("query", [TurnQuery(after="none"), TurnQuery(limit=0)])
async def test_a_page_behind_nothing_and_one_of_nothing_are_mistakes(
    store: Store, query: TurnQuery
) -> None:
    await three(store)
    with pytest.raises(ValueError, match=r"no turn|one turn"):
        await store.turns(query)


async def test_they_are_found_by_id_by_model_and_by_all_of_the_metadata_asked_for(
    store: Store,
) -> None:
    await three(store)
    assert ids(await store.turns(TurnQuery(turn="t2"))) == ["t2"]
    assert ids(await store.turns(TurnQuery(model="a"))) == ["t1", "t3"]
    assert ids(await store.turns(TurnQuery(metadata={"k": "v"}))) == ["t2", "t3"]
    assert ids(await store.turns(TurnQuery(metadata={"k": "v", "l": "w"}))) == ["t2"]
    assert ids(await store.turns(TurnQuery(metadata={"k": "w"}))) == []
    assert ids(await store.turns(TurnQuery(metadata={'"%': "v"}))) == []
    assert ids(await store.turns(TurnQuery(turn="t2", model="a"))) == []


async def test_each_comes_with_its_session_its_deltas_and_its_metadata(store: Store) -> None:
    await three(store)
    (found,) = (await store.turns(TurnQuery(turn="t2"))).turns
    assert found.name == OTHER
    assert found.turn.end == finished("t2")
    assert found.turn.accepted == accepted("t2", model="b", metadata={"k": "v", "l": "w"})


async def test_what_has_no_answer_is_none_of_them(store: Store) -> None:
    fence = await store.accept(NAME, Fence(), accepted("t1"))
    fence, _ = await store.end(NAME, fence, (failed("t1"),))
    await store.accept(NAME, fence, accepted("t2"))
    assert ids(await store.turns(TurnQuery())) == []


async def test_a_turn_that_another_api_keeps_is_none_of_them_even_once_it_is_dropped(
    store: Store,
) -> None:
    await answered(store, NAME, Fence(), "t1", request=b"{}")
    assert ids(await store.turns(TurnQuery())) == []
    await store.drop_request(NAME, "t1")
    assert ids(await store.turns(TurnQuery(turn="t1"))) == []


async def test_of_a_turn_and_its_restored_copy_the_turn_is_listed(store: Store) -> None:
    await three(store)
    lines = await lines_of(store, NAME)
    await store.restore(given(lines), name=COPY)
    page = await store.turns(TurnQuery())
    assert [(found.name, found.turn.accepted.id) for found in page.turns] == [
        (NAME, "t1"),
        (OTHER, "t2"),
        (NAME, "t3"),
    ]
    await store.delete(NAME)
    page = await store.turns(TurnQuery(metadata={"k": "v"}))
    assert [(found.name, found.turn.accepted.id) for found in page.turns] == [
        (OTHER, "t2"),
        (COPY, "t3"),
    ]


async def test_other_metadata_replace_a_turns_without_a_claim_on_its_session(store: Store) -> None:
    await three(store)
    before = await store.load(NAME)
    assert await store.label(NAME, "t3", {"new": "x"})
    assert ids(await store.turns(TurnQuery(metadata={"new": "x"}))) == ["t3"]
    assert ids(await store.turns(TurnQuery(metadata={"k": "v"}))) == ["t2"]
    assert await store.label(NAME, "t3", {})
    stored = await store.turn(NAME, "t3")
    assert stored is not None
    assert stored.accepted.metadata == {}
    after = await store.load(NAME)
    assert before is not None
    assert after is not None
    assert after.fence == before.fence


async def test_a_turn_that_is_not_there_cannot_be_labelled(store: Store) -> None:
    await three(store)
    assert not await store.label(OTHER, "t1", {"k": "v"})
    assert not await store.label(NAME, "none", {"k": "v"})


async def test_a_deleted_session_takes_its_turns_along(store: Store) -> None:
    await three(store)
    await store.delete(NAME)
    assert ids(await store.turns(TurnQuery())) == ["t2"]
