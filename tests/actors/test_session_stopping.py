"""A session that stops leaves nobody waiting, and nothing said that it does not keep."""

import sqlite3

import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import Finish, FinishReason, TextDelta
from greenroom.actors.failure import FailureKind
from greenroom.actors.stores.records import SessionName
from greenroom.actors.stores.sqlite.transactions import Point
from greenroom.actors.stores.store import Store
from greenroom.actors.turn import OnDisconnect, Sender
from greenroom.runtime import ActorStopped
from tests.actors.conftest import (
    SLOW,
    PlayedChannel,
    Reader,
    a_system,
    said,
    set_stage,
    user,
    words,
)
from tests.stores import a_store

IN_VIRTUAL_TIME = True

NAME = SessionName("main", "k")
GOES_ON = Sender(on_disconnect=OnDisconnect.CONTINUE)


class Flaky:
    """A disk that fails the nth commit from now."""

    def __init__(self) -> None:
        self.left = 0

    def watch(self, point: Point) -> None:
        if point is Point.BEFORE_COMMIT and self.left:
            self.left -= 1
            if not self.left:
                raise sqlite3.OperationalError("database is locked")


async def test_where_an_end_is_not_kept_those_that_wait_are_told_at_once() -> None:
    channel = PlayedChannel(SLOW)
    disk = Flaky()
    store = a_store(disk.watch)
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, store=store)
        readers = [await Reader(stage, "k", user("a")).join(nursery)]
        readers += [await Reader(stage, "k", user("b"), sender=GOES_ON).join(nursery)]
        readers += [await Reader(stage, "k", user("c")).join(nursery)]
        disk.left = 1
        await trio.sleep(30)
        for reader in readers:
            assert reader.failure is not None
            assert reader.failure.kind is FailureKind.STORE
            assert reader.done_at == 10
        assert len(channel.prompts) == 1
        # The next one finds a session that tries again.
        assert (await stage.ask("k", user("d"))).ended
    assert await open_turns(store) == []


async def test_a_session_that_is_stopped_takes_up_no_turn_and_those_that_wait_hear_of_it() -> None:
    channel = PlayedChannel(SLOW)
    store = a_store()
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, store=store)
        heard: list[Exception] = []

        async def read(text: str) -> None:
            try:
                await stage.ask("k", user(text))
            except ActorStopped as stopped:
                heard.append(stopped)

        for text in "ab":
            nursery.start_soon(read, text)
            await wait_all_tasks_blocked()
        await trio.sleep(7)
        stage.agent.stop()
        await stage.agent.stopped()
        await wait_all_tasks_blocked()
        assert len(heard) == 2
    assert len(channel.prompts) == 1
    # Its grace was enough for the one that ran to be whole.
    assert [e.entry for e in await store.transcript(NAME)] == [user("a"), said("One two.")]
    assert await open_turns(store) == []


async def test_an_answer_that_is_whole_when_its_session_stops_is_kept_as_such() -> None:
    whole = ((TextDelta("One."),), (Finish(FinishReason.STOP),), 100.0)
    channel = PlayedChannel(whole, words("Yes."))
    store = a_store()
    keyed = Sender(b"body", "my-key", on_disconnect=OnDisconnect.CONTINUE)
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, store=store)
        reader = await Reader(stage, "k", user("a"), sender=keyed).join(nursery)
        await trio.sleep(1)
        reader.leave()
        stage.agent.kill()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, first_turn=10)
        again = await stage.ask("k", user("a"), sender=keyed)
        assert (again.text, again.ended) == ("One.", True)
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("a"), said("One."), user("b"))


async def open_turns(store: Store) -> list[str]:
    state = await store.load(NAME)
    assert state is not None
    return [turn.id for turn in state.open_turns]
