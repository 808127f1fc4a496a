"""A session is woken at its time, once however long all slept, and never by what was called off."""

from datetime import UTC, datetime

import pytest
import trio

from greenroom.actors.entries import ToolEntry, UserEntry
from greenroom.actors.errands.times import next_time
from greenroom.actors.failure import FailureKind, TurnFailed
from tests.actors.conftest import FAULT, PlayedChannel, a_system, calls, said, user, wishes, words
from tests.actors.errands.conftest import MINE, a_house, an_agent
from tests.actors.tools.conftest import OUTER
from tests.stores import a_store

IN_VIRTUAL_TIME = True

DAY = 86_400.0


def reminder(text: str = "Feed the cat.") -> UserEntry:
    return UserEntry(f"[Reminder] {text}", inner=True)


async def test_a_session_is_told_at_its_time() -> None:
    async with a_system() as system:
        small = await a_house(main=PlayedChannel(words("Yes."))).open(system, an_agent())
        await small.ask(user("Hello"))
        await small.house.agenda.remind(MINE, "Feed the cat.", at=500.0)
        await trio.sleep(499)
        assert len(await small.said()) == 2
        await trio.sleep(2)
        assert await small.said() == [user("Hello"), said("Yes."), reminder(), said("Yes.")]
        assert await small.house.agenda.list() == []


async def test_an_earlier_one_comes_first_whenever_it_was_made() -> None:
    async with a_system() as system:
        small = await a_house(main=PlayedChannel(words("Yes."))).open(system, an_agent())
        await small.ask(user("Hello"))
        for text, at in (("late", 900.0), ("soon", 100.0), ("later", 500.0)):
            await small.house.agenda.remind(MINE, text, at=at)
        await trio.sleep(1000)
        kept = await small.said()
    assert kept[2::2] == [reminder(text) for text in ("soon", "later", "late")]


async def test_a_schedule_comes_again_and_again() -> None:
    async with a_system() as system:
        small = await a_house(main=PlayedChannel(words("Yes."))).open(system, an_agent())
        await small.ask(user("Hello"))
        errand = await small.house.agenda.remind(MINE, "Feed the cat.", cron="0 7 * * *")
        assert errand.due == 7 * 3600
        for days in range(3):
            assert len(await small.said()) == 2 + 2 * days
            await trio.sleep(DAY - 1)
        [again] = await small.house.agenda.list()
        assert again.due == 3 * DAY + 7 * 3600
        assert again.tries == 0


async def test_a_week_asleep_gives_one_wake_up() -> None:
    store = a_store()
    async with a_system() as system:
        small = await a_house(store, main=PlayedChannel(words("Yes."))).open(system, an_agent())
        await small.ask(user("Hello"))
        await small.house.agenda.remind(MINE, "Feed the cat.", cron="0 * * * *")
        await small.house.agenda.remind(MINE, "Once.", at=100.0)
    for _ in range(7):
        await trio.sleep(DAY - 60)
    async with a_system() as system:
        again = await a_house(store, main=PlayedChannel(words("Yes."))).open(system, an_agent())
        await trio.sleep(10)
        kept = await again.said()
        [left] = await again.house.agenda.list()
        assert left.due > trio.current_time()
    assert sorted(str(entry) for entry in kept[2::2]) == sorted(
        str(reminder(text)) for text in ("Feed the cat.", "Once.")
    )


async def test_one_that_was_called_off_never_comes() -> None:
    async with a_system() as system:
        small = await a_house(main=PlayedChannel(words("Yes."))).open(system, an_agent())
        await small.ask(user("Hello"))
        errand = await small.house.agenda.remind(MINE, "Feed the cat.", at=500.0)
        await small.house.agenda.call_off(errand.id)
        await trio.sleep(1000)
        assert len(await small.said()) == 2
        with pytest.raises(TurnFailed) as failed:
            await small.house.agenda.call_off(errand.id)
    assert failed.value.failure.kind is FailureKind.NOT_FOUND


async def test_where_the_model_is_away_it_comes_once_it_is_back() -> None:
    channel = PlayedChannel(words("Yes."))
    async with a_system() as system:
        small = await a_house(main=channel).open(system, an_agent())
        await small.ask(user("Hello"))
        channel.plays([FAULT], [FAULT], words("Here."))
        await small.house.agenda.remind(MINE, "Feed the cat.", at=100.0)
        await trio.sleep(1000)
        assert (await small.said())[2:] == [reminder(), said("Here.")]
        assert await small.house.agenda.list() == []


async def test_it_waits_while_the_client_has_calls_to_answer() -> None:
    channel = PlayedChannel(wishes("c1"), words("Yes."))
    async with a_system() as system:
        small = await a_house(main=channel).open(system, an_agent())
        await small.ask(user("Hello"))
        await small.house.agenda.remind(MINE, "Feed the cat.", at=10.0)
        await trio.sleep(15)
        assert await small.said() == [user("Hello"), calls("c1")]
        await small.ask(ToolEntry("c1", "found"))
        await trio.sleep(100)
        assert (await small.said())[-2:] == [reminder(), said("Yes.")]
    assert OUTER not in channel.prompts[0].tools


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({}, "at"),
        ({"at": 5.0, "cron": "* * * * *"}, "at"),
        ({"cron": "every day"}, "cron"),
        ({"cron": "0 0 31 2 *"}, "cron"),
    ],
)
async def test_what_is_no_time_is_refused_by_name(given: dict[str, object], param: str) -> None:
    async with a_system() as system:
        small = await a_house(main=PlayedChannel(words("Yes."))).open(system, an_agent())
        await small.ask(user("Hello"))
        with pytest.raises(TurnFailed) as failed:
            await small.house.agenda.remind(MINE, "x", **given)  # type: ignore[arg-type]
    assert failed.value.failure.kind is FailureKind.INVALID_REQUEST
    assert failed.value.failure.param == param


def test_schedules_are_in_utc() -> None:
    after = datetime(2030, 1, 31, 6, 59, tzinfo=UTC).timestamp()
    due = datetime.fromtimestamp(next_time("0 7 * * 1-5", after), UTC)
    assert due == datetime(2030, 1, 31, 7, 0, tzinfo=UTC)
