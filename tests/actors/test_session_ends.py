"""A session that ends in the middle of something leaves nobody without an answer, and no turn open."""

import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import Finish, FinishReason, TextDelta
from greenroom.actors.entries import AssistantEntry
from greenroom.actors.failure import FailureKind
from greenroom.actors.stores.records import AcceptedTurn, Fence, Fork, SessionName
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.turn import OnDisconnect, Sender, Submit, TurnEnded
from tests.actors.conftest import (
    SLOW,
    PlayedChannel,
    Reader,
    a_system,
    said,
    set_stage,
    turn_of,
    user,
    words,
)
from tests.actors.model import Model
from tests.stores import Disk, a_store

IN_VIRTUAL_TIME = True

WHOLE_BUT_OPEN = ((TextDelta("Yes."),), (Finish(FinishReason.STOP),), 20.0)
"""A whole answer whose upstream does not close its connection."""
KEYED = Sender(b"body", "my-key", on_disconnect=OnDisconnect.CONTINUE)


class Slow(SqliteStore):
    """A store that takes a second to accept a turn."""

    async def accept(
        self,
        name: SessionName,
        fence: Fence,
        turn: AcceptedTurn,
        *,
        fork: Fork | None = None,
        lasts: float | None = None,
    ) -> Fence:
        after = await super().accept(name, fence, turn, fork=fork, lasts=lasts)
        await trio.sleep(1)
        return after


async def test_an_end_that_cannot_be_kept_is_told_to_those_that_wait_as_well() -> None:
    disk = Disk()
    channel = PlayedChannel(SLOW, words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, store=a_store(disk.watch))
        readers = [
            await Reader(stage, "k", user(text), streamed=False).join(nursery) for text in "abc"
        ]
        disk.fails_after = 0
        await trio.sleep(20)
        for reader in readers:
            assert reader.failure is not None
            assert reader.failure.kind is FailureKind.STORE
        await stage.ask("k", user("d"))
    assert len(channel.prompts) == 2, "nothing is begun that cannot be gone on with"
    assert channel.heard() == (user("d"),)


async def test_a_session_that_is_stopped_while_it_accepts_a_turn_closes_it() -> None:
    store = a_store(made=Slow)
    channel = PlayedChannel()
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, store=store)

        async def ask() -> None:
            outcome = await stage.ask("k", user("a"))
            assert outcome.failure is not None
            assert outcome.failure.kind is FailureKind.STOPPING

        nursery.start_soon(ask)
        await trio.sleep(0.5)
        stage.agent.stop()
        await stage.agent.stopped()
    assert channel.prompts == []
    state = await store.load(SessionName("main", "k"))
    assert state is not None
    assert state.open_turns == ()
    cut = AssistantEntry("", interrupted=True)
    assert [stored.entry for stored in state.entries] in ([], [user("a"), cut])


async def test_a_whole_answer_is_kept_whole_though_its_session_ends_before_its_run() -> None:
    channel = PlayedChannel(WHOLE_BUT_OPEN, words("No."))
    store = a_store()
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, store=store)
        reader = await Reader(stage, "k", user("a"), streamed=False, sender=KEYED).join(nursery)
        await trio.sleep(1)
        reader.leave()
        stage.agent.kill()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, first_turn=10)
        again = await stage.ask("k", user("a"), streamed=False, sender=KEYED)
        assert again.text == "Yes."
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("a"), said("Yes."), user("b"))


async def test_a_stateless_request_that_comes_again_while_its_cut_run_lets_go_is_answered() -> None:
    model = Model()
    async with a_system() as system:
        stage = await set_stage(system, model)
        recent = stage.host.recent

        async def ask(id_: str, sender: Sender) -> None:
            turn = turn_of(id_, user("a clings"), ephemeral=True, sender=sender)
            session = stage.host.passing.address(recent.session_of(sender, id_))
            async with session.stream(Submit(turn)) as stream:
                events = [event async for event in stream]
            assert isinstance(events[-1], TurnEnded)

        with trio.move_on_after(1):
            await ask("p1", Sender(b"body"))
        begun = trio.current_time()
        await ask("p2", Sender(b"body", retry=True))
        assert begun == 1
        await wait_all_tasks_blocked()
        assert (await stage.status()).live_sessions == 0
    assert model.prompts == [[user("a clings")]] * 2
