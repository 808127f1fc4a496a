"""A session begins anew when its time is over, if it has one; and sleeps in the store meanwhile."""

from datetime import datetime, time

import pytest
import trio

from greenroom.actors.known import KEY_LASTS_S
from greenroom.actors.lifetime import Lifetime, is_over
from greenroom.actors.stores.records import Retention, SessionName
from greenroom.actors.turn import Sender
from tests.actors.conftest import (
    PlayedChannel,
    a_system,
    result,
    said,
    set_stage,
    user,
    wishes,
    words,
)
from tests.stores import a_store

IN_VIRTUAL_TIME = True

NAME = SessionName("main", "k")
LONG_S = KEY_LASTS_S + 3600


async def test_an_idle_session_goes_to_the_store_and_wakes_as_it_was() -> None:
    channel = PlayedChannel(words("1"), words("2"))
    async with a_system() as system:
        stage = await set_stage(system, channel, idle=30)
        await stage.ask("k", user("a"))
        assert (await stage.status()).live_sessions == 1
        await trio.sleep(61)
        assert (await stage.status()).live_sessions == 0
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("a"), said("1"), user("b"))


async def test_by_default_it_never_begins_anew() -> None:
    channel = PlayedChannel(words("1"))
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await stage.ask("k", user("a"))
        await trio.sleep(10 * 86_400)
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("a"), said("1"), user("b"))


@pytest.mark.parametrize("idle", [10, 1e6], ids=["asleep", "awake"])
async def test_idle_for_too_long_it_begins_anew(idle: float) -> None:
    channel = PlayedChannel(words("1"))
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(
            system, channel, store=store, idle=idle, lifetime=Lifetime(idle=3600)
        )
        await stage.ask("k", user("a"))
        await trio.sleep(3599)
        await stage.ask("k", user("b"))
        assert len(channel.heard()) == 3
        await trio.sleep(3600)
        await stage.ask("k", user("c"))
        assert channel.heard() == (user("c"),)
        await trio.sleep(500)
        await stage.ask("k", user("d"))
    assert channel.heard() == (user("c"), said("1"), user("d"))
    assert len(await store.transcript(NAME, cut=True)) == 8


async def test_it_does_not_begin_anew_while_a_tool_runs() -> None:
    channel = PlayedChannel(wishes("c1"), words("Found."))
    async with a_system() as system:
        stage = await set_stage(system, channel, lifetime=Lifetime(idle=3600))
        await stage.ask("k", user("a"))
        await trio.sleep(4000)
        assert (await stage.ask("k", result("c1"))).text == "Found."


async def test_what_is_asked_once_leaves_no_actor_and_is_forgotten_after_a_day() -> None:
    channel = PlayedChannel(words("1"), words("2"))
    store = a_store()
    keyed = Sender(b"body", "my-key")
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store)
        first = await stage.ask("k", user("a"), once=True, sender=keyed)
        assert (await stage.status()).live_sessions == 0
        again = await stage.ask("k", user("a"), once=True, sender=keyed)
        assert (again.text, len(channel.prompts)) == (first.text, 1)
        await trio.sleep(LONG_S)
        anew = await stage.ask("k", user("a"), once=True, sender=keyed)
        assert anew.text == "2"
        assert channel.heard() == (user("a"),)
        assert not (await store.retain(Retention(), trio.current_time())).deleted
        await trio.sleep(LONG_S)
        assert (await store.retain(Retention(), trio.current_time())).deleted == (NAME,)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("active", "now", "over"),
    [
        ("2026-11-26T10:00", "2026-11-26T23:00", False),
        ("2026-11-26T10:00", "2026-11-27T03:59", False),
        ("2026-11-26T10:00", "2026-11-27T04:00", True),
        ("2026-11-26T10:00", "2026-11-29T01:00", True),
        ("2026-11-27T04:00", "2026-11-27T09:00", False),
        ("2026-11-27T03:59", "2026-11-27T04:01", True),
    ],
)
def test_a_day_ends_at_its_time(active: str, now: str, over: bool) -> None:
    assert is_over(Lifetime(daily=time(4)), at(active), at(now)) is over


def test_without_a_lifetime_nothing_is_over() -> None:
    assert not is_over(Lifetime(), 0, 1e12)
