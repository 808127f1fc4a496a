"""Turns by their ids: known from their acceptance on, heard as they go on, ended and forgotten."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import TextDelta
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.journal import CRASHED
from greenroom.actors.session_messages import SoFar
from greenroom.actors.stores.records import Fence, SessionName, TurnState
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.turn import Submit, TurnAccepted, TurnEvent, TurnStarted
from greenroom.actors.turns import Found, Turns
from greenroom.runtime import System
from tests.actors.conftest import (
    FAULT,
    SLOW,
    Outcome,
    PlayedChannel,
    Step,
    a_system,
    result,
    said,
    set_stage,
    user,
)
from tests.actors.stores.conftest import accepted
from tests.actors.test_session_following import PLAYS, code, item, run
from tests.stores import Disk, a_store

IN_VIRTUAL_TIME = True

NAME = SessionName("main", "k")
OWN = SessionName("main", "agent:main:resp:a")


class Scene:
    """A stage, its store, and the turns on it."""

    def __init__(self, *plays: Sequence[Step], store: SqliteStore | None = None) -> None:
        self.channel = PlayedChannel(*plays)
        self.store = store or a_store()

    async def set(self, system: System) -> "Scene":
        self.stage = await set_stage(system, self.channel, store=self.store)
        self.turns = Turns(self.store, {"main": self.stage.host})
        return self

    async def run(self, turn: str, key: str = NAME.key, **fields: Any) -> Outcome:
        return await run(self.stage, key, item(turn, user(turn), **fields))

    async def find(self, turn: str) -> Found:
        found = await self.turns.find(turn)
        assert found is not None
        return found

    async def state(self, turn: str) -> TurnState | None:
        end = (await self.find(turn)).turn.end
        return None if end is None else end.state

    async def hear(self, turn: str) -> Outcome:
        events: list[TurnEvent] = []
        try:
            async with self.turns.attach(await self.find(turn)) as stream:
                async for event in stream:
                    events.append(event)  # noqa: PERF401 - those before a failure count, too
        except TurnFailed as failed:
            return Outcome(tuple(events), failed.failure)
        return Outcome(tuple(events), None)


# Finding


async def test_a_turn_is_known_while_it_runs_and_after_its_end(nursery: trio.Nursery) -> None:
    async with a_system() as system:
        scene = await Scene(SLOW).set(system)
        nursery.start_soon(scene.run, "a")
        await trio.sleep(1)
        found = await scene.find("a")
        assert (found.name, found.turn.accepted.request) == (NAME, b"{}")
        assert found.so_far == SoFar(True, (TextDelta("One "),))
        await trio.sleep(60)
        found = await scene.find("a")
        assert found.so_far is None
        assert await scene.state("a") is TurnState.FINISHED
        assert await scene.turns.find("never") is None


async def test_a_turn_that_waits_is_in_the_journal_already(nursery: trio.Nursery) -> None:
    async with a_system() as system:
        scene = await Scene(SLOW, *PLAYS).set(system)
        nursery.start_soon(scene.run, "a")
        await trio.sleep(1)
        nursery.start_soon(scene.run, "b")
        await wait_all_tasks_blocked()
        assert (await scene.find("b")).so_far == SoFar(False, ())
        await trio.sleep(60)
        assert await scene.state("b") is TurnState.FINISHED
        await scene.run("c")
        assert scene.channel.heard()[:4] == (user("a"), said("One two."), user("b"), said("1"))


async def test_one_that_a_crash_has_cut_is_closed_by_whoever_asks() -> None:
    store = a_store()
    await store.accept(NAME, Fence(), accepted("a", "Hi"))
    async with a_system() as system:
        scene = await Scene(store=store).set(system)
        found = await scene.find("a")
    assert found.so_far is None
    assert found.turn.end is not None
    assert found.turn.end.failure == CRASHED
    assert len(found.turn.end.entries) == 2


async def test_one_that_a_crash_has_cut_while_it_waited_leaves_no_trace() -> None:
    store = a_store()
    fence = await store.accept(NAME, Fence(), accepted("a", "Hi"))
    await store.accept(NAME, fence, accepted("b", added=()))
    async with a_system() as system:
        scene = await Scene(store=store).set(system)
        found = await scene.find("b")
    assert found.turn.end is not None
    assert (found.turn.end.failure, found.turn.end.entries) == (CRASHED, ())


async def test_one_of_an_agent_that_is_gone_is_still_read_once_it_has_ended() -> None:
    store = a_store()
    async with a_system() as system:
        scene = await Scene(store=store).set(system)
        await scene.run("a")
        await store.accept(SessionName("gone", "k"), Fence(), accepted("b"))
        turns = Turns(store, {})
        assert await turns.find("a") is not None
        with pytest.raises(TurnFailed) as caught:
            await turns.find("b")
    assert caught.value.failure.code == "agent_not_found"


# Hearing


async def test_a_turn_is_heard_from_its_beginning_by_whoever_comes(nursery: trio.Nursery) -> None:
    async with a_system() as system:
        scene = await Scene(SLOW).set(system)
        nursery.start_soon(scene.run, "a")
        await trio.sleep(5)
        outcomes: list[Outcome] = []

        async def hear() -> None:
            outcomes.append(await scene.hear("a"))

        async with trio.open_nursery() as readers:
            readers.start_soon(hear)
            readers.start_soon(hear)
    for outcome in outcomes:
        assert outcome.events[0] == TurnAccepted("a")
        assert isinstance(outcome.events[1], TurnStarted)
        assert outcome.text == "One two."
        assert outcome.ended


async def test_one_that_has_ended_is_not_heard_but_read() -> None:
    async with a_system() as system:
        scene = await Scene().set(system)
        await scene.run("a")
        outcome = await scene.hear("a")
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.NOT_FOUND


async def test_a_turn_goes_on_when_those_who_hear_it_leave(nursery: trio.Nursery) -> None:
    async with a_system() as system:
        scene = await Scene(SLOW).set(system)
        turn = item("a", user("a"))
        async with scene.stage.host.sessions.address("k").stream(Submit(turn)) as stream:
            assert isinstance(await anext(stream), TurnAccepted)
        with trio.move_on_after(5):
            await scene.hear("a")
        await trio.sleep(100)
        assert await scene.state("a") is TurnState.FINISHED


# Ending


async def test_the_running_turn_alone_is_cancelled(nursery: trio.Nursery) -> None:
    async with a_system() as system:
        scene = await Scene(SLOW, *PLAYS).set(system)
        for turn in ("a", "b"):
            nursery.start_soon(scene.run, turn)
            await trio.sleep(1)
        assert await scene.turns.cancel(await scene.find("a"))
        await trio.sleep(60)
        assert await scene.state("a") is TurnState.INTERRUPTED
        assert await scene.state("b") is TurnState.FINISHED
        assert not await scene.turns.cancel(await scene.find("b"))


async def test_a_waiting_turn_alone_is_cancelled_and_that_is_kept(nursery: trio.Nursery) -> None:
    async with a_system() as system:
        scene = await Scene(SLOW, *PLAYS).set(system)
        for turn in ("a", "b", "c"):
            nursery.start_soon(scene.run, turn)
            await trio.sleep(1)
        assert await scene.turns.cancel(await scene.find("b"))
        end = (await scene.find("b")).turn.end
        assert end is not None
        assert (end.state, end.entries) == (TurnState.INTERRUPTED, ())
        assert end.failure is not None
        assert end.failure.code == "turn_ended"
        await trio.sleep(60)
        assert await scene.state("a") is await scene.state("c") is TurnState.FINISHED
    assert scene.channel.heard() == (user("a"), said("One two."), user("c"))


async def test_a_waiting_turn_that_cannot_begin_ends_in_the_journal(nursery: trio.Nursery) -> None:
    async with a_system() as system:
        scene = await Scene(SLOW).set(system)
        nursery.start_soon(scene.run, "a")
        await trio.sleep(1)
        outcome = await run(scene.stage, "k", item("b", result("c9")))
        assert outcome.failure is not None
        assert outcome.failure.param == "input[0].call_id"
        assert await scene.state("b") is TurnState.FAILED


async def test_a_turn_that_fails_is_known_as_such() -> None:
    async with a_system() as system:
        scene = await Scene((FAULT,)).set(system)
        await scene.run("a")
        assert await scene.state("a") is TurnState.FAILED


async def test_where_the_disk_is_full_a_turn_that_would_wait_is_refused_and_the_other_ends(
    nursery: trio.Nursery, trouble: list[str]
) -> None:
    disk = Disk()
    async with a_system() as system:
        scene = await Scene(SLOW, store=a_store(disk.watch)).set(system)
        nursery.start_soon(scene.run, "a")
        await trio.sleep(1)
        disk.is_full = True
        outcome = await scene.run("b")
        disk.is_full = False
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.STORE
        await trio.sleep(60)
        assert await scene.state("a") is TurnState.FINISHED


# Forgetting


async def test_a_forgotten_turn_has_no_request_and_its_session_stays() -> None:
    async with a_system() as system:
        scene = await Scene(*PLAYS).set(system)
        await scene.run("a")
        assert await scene.turns.forget(await scene.find("a"))
        assert (await scene.find("a")).turn.accepted.request is None
        assert not await scene.turns.forget(await scene.find("a"))
        await scene.run("b", follows="a")
    assert scene.channel.heard() == (user("a"), said("1"), user("b"))


async def test_a_session_of_its_own_goes_with_its_last_turn() -> None:
    async with a_system() as system:
        scene = await Scene(*PLAYS).set(system)
        for turn in ("a", "b"):
            await scene.run(turn, key=OWN.key)
        await scene.turns.forget(await scene.find("a"))
        assert await scene.store.info(OWN) is not None
        await scene.turns.forget(await scene.find("b"))
        assert await scene.store.info(OWN) is None


async def test_a_session_of_its_own_stays_where_another_turn_has_come(
    nursery: trio.Nursery,
) -> None:
    async with a_system() as system:
        scene = await Scene(PLAYS[0], SLOW).set(system)
        await scene.run("a", key=OWN.key)
        turn = item("b", user("b"))
        nursery.start_soon(run, scene.stage, OWN.key, turn)
        await trio.sleep(1)
        await scene.turns.forget(await scene.find("a"))
        await trio.sleep(60)
        assert await scene.state("b") is TurnState.FINISHED


async def test_what_was_forgotten_is_not_told_again() -> None:
    async with a_system() as system:
        scene = await Scene(*PLAYS).set(system)
        keyed = item("a", user("a")).sender
        keyed = type(keyed)(b"body", "key", on_disconnect=keyed.on_disconnect)
        await scene.run("a", sender=keyed)
        await scene.turns.forget(await scene.find("a"))
        assert code(await scene.run("b", sender=keyed)) == "replay_expired"
