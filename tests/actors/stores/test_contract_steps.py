"""Any store: what an open turn has done is kept until its end, which has it among its entries."""

from collections.abc import AsyncIterator

import pytest

from greenroom.actors.entries import AssistantEntry, ToolCall, ToolEntry
from greenroom.actors.stores.records import Fence, SessionName
from greenroom.actors.stores.store import Store
from tests.actors.stores.conftest import NAME, OTHER, Open, accepted, finished, talk

CALLS = AssistantEntry("Let me see.", (ToolCall("c1", "look", '{"at":"ü"}', inner=True),))
RESULT = ToolEntry("c1", "a cat", inner=True)


async def steps_of(store: Store) -> list[object]:
    state = await store.load(NAME)
    assert state is not None
    return [list(turn.steps) for turn in state.open_turns]


async def an_open_turn(store: Store) -> Fence:
    fence, _ = await talk(store)
    return await store.accept(NAME, fence, accepted("open"))


async def test_steps_of_an_open_turn_are_kept_in_order(store: Store) -> None:
    await an_open_turn(store)
    assert await steps_of(store) == [[]]
    await store.step(NAME, "open", (CALLS,))
    await store.step(NAME, "open", (RESULT,))
    assert await steps_of(store) == [[CALLS, RESULT]]
    found = await store.turn(NAME, "open")
    assert found is not None
    assert found.accepted.steps == (CALLS, RESULT)


async def test_steps_change_neither_fence_nor_transcript(store: Store) -> None:
    fence = await an_open_turn(store)
    before = await store.transcript(NAME)
    await store.step(NAME, "open", (CALLS,))
    assert await store.transcript(NAME) == before
    await store.end(NAME, fence, (finished("open"),))


async def test_the_end_of_a_turn_is_the_end_of_its_steps(store: Store) -> None:
    fence = await an_open_turn(store)
    await store.step(NAME, "open", (CALLS, RESULT))
    await store.end(NAME, fence, (finished("open"),))
    found = await store.turn(NAME, "open")
    assert found is not None
    assert found.accepted.steps == ()
    with pytest.raises(ValueError, match="no open turn 'open'"):
        await store.step(NAME, "open", (CALLS,))


@pytest.mark.parametrize(("name", "turn"), [(NAME, "other"), (OTHER, "open"), (NAME, "t1")])
async def test_only_an_open_turn_of_that_session_has_steps(
    name: SessionName, turn: str, store: Store
) -> None:
    await an_open_turn(store)
    with pytest.raises(ValueError, match="no open turn"):
        await store.step(name, turn, (CALLS,))
    assert await steps_of(store) == [[]]


async def test_the_bytes_of_steps_count_while_they_are_there(store: Store) -> None:
    fence = await an_open_turn(store)
    info = await store.info(NAME)
    await store.step(NAME, "open", (CALLS,))
    more = await store.info(NAME)
    assert info is not None and more is not None  # noqa: PT018 - for the type checkers
    assert more.size > info.size
    await store.delete(NAME)
    assert fence.head == info.head


async def test_steps_outlive_the_store_and_are_exported(opening: Open) -> None:
    async with opening() as store:
        await an_open_turn(store)
        await store.step(NAME, "open", (CALLS, RESULT))
    async with opening() as store:
        assert await steps_of(store) == [[CALLS, RESULT]]
        async with store.export(NAME) as lines:
            kept = [line async for line in lines]
        await store.delete(NAME)

        async def again() -> AsyncIterator[bytes]:
            for line in kept:
                yield line

        await store.restore(again())
        assert await steps_of(store) == [[CALLS, RESULT]]
