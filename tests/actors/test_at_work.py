"""Rules of a house's count of those that are at work."""

import pytest
import trio
import trio.testing

from greenroom.actors.at_work import AtWork

IN_VIRTUAL_TIME = True


async def test_a_house_without_turns_is_calm() -> None:
    at_work = AtWork()
    with trio.fail_after(1):
        await at_work.calm()
    at_work.note("a", 2)
    at_work.note("a", 0)
    at_work.note("b", 0)
    with trio.fail_after(1):
        await at_work.calm()


async def test_it_is_calm_when_the_last_session_has_done_its_last_turn() -> None:
    at_work = AtWork()
    at_work.note("a", 1)
    at_work.note("b", 2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(at_work.calm)
        for session, turns in (("a", 0), ("b", 1), ("c", 1), ("b", 0)):
            await trio.testing.wait_all_tasks_blocked()
            assert nursery.child_tasks
            at_work.note(session, turns)
        with pytest.raises(trio.TooSlowError), trio.fail_after(1):
            await at_work.calm()
        at_work.note("c", 0)
