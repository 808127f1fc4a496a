"""A whole session is changed between two turns: annotated, added to, and rid of what nothing hangs on."""

from collections.abc import Sequence

import pytest
import trio

from greenroom.actors.entries import TranscriptEntry
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.session_messages import Annotate, Append, Erase, OfTheWhole
from greenroom.actors.stores.records import SessionName
from greenroom.actors.turn import ForkFrom, Sender
from tests.actors.conftest import (
    SLOW,
    PlayedChannel,
    Stage,
    a_system,
    calls,
    result,
    said,
    set_stage,
    user,
    words,
)
from tests.stores import Disk, a_store

IN_VIRTUAL_TIME = True

NAME = SessionName("main", "k")
PLAYS = [words(str(n)) for n in range(1, 20)]


def append(*entries: TranscriptEntry, turn: str = "x") -> Append:
    return Append(turn, entries, tuple(f"items[{n}]" for n in range(len(entries))))


async def refusal(stage: Stage, message: OfTheWhole, key: str = NAME.key) -> Failure:
    with pytest.raises(TurnFailed) as caught:
        await stage.host.sessions.address(key).ask(message)
    return caught.value.failure


async def test_a_session_is_made_by_what_it_is_annotated_with() -> None:
    store, channel = a_store(), PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store)
        address = stage.host.sessions.address(NAME.key)
        await address.ask(Annotate(b"one"))
        await trio.sleep(500)
        await address.ask(Annotate(b"two"))
        info = await store.info(NAME)
        assert info is not None
        assert (info.attributes, info.turns) == (b"two", 0)
        await stage.ask("k", user("a"))
    assert channel.heard() == (user("a"),)


async def test_one_that_is_annotated_is_not_new_enough_for_a_fork() -> None:
    channel = PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await stage.ask("s", user("a"))
        await stage.host.sessions.address("k").ask(Annotate(b"one"))
        await stage.ask("k", user("b"), sender=Sender(fork=ForkFrom("s")))
    assert channel.heard() == (user("b"),)


async def test_what_is_added_is_what_the_next_turn_goes_on_from() -> None:
    channel = PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel)
        address = stage.host.sessions.address("k")
        await address.ask(append(user("a"), said("b"), calls("c1")))
        await trio.sleep(500)
        await address.ask(append(result("c1"), turn="y"))
        await stage.ask("k", user("c"))
    assert channel.heard() == (user("a"), said("b"), calls("c1"), result("c1"), user("c"))


@pytest.mark.parametrize(
    ("entries", "param"),
    [((result("c1"),), "items[0].call_id"), ((calls("c1"), user("a")), "items[1]")],
)
async def test_what_does_not_fit_is_refused_by_its_place_and_adds_nothing(
    entries: Sequence[TranscriptEntry], param: str
) -> None:
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel(), store=store)
        failure = await refusal(stage, append(*entries))
    assert (failure.kind, failure.param) == (FailureKind.INVALID_REQUEST, param)
    assert await store.info(NAME) is None


async def test_an_entry_is_taken_out_awake_and_asleep() -> None:
    store, channel = a_store(), PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store)
        for text in ("a", "b", "c"):
            await stage.ask("k", user(text))
        numbers = [entry.seq for entry in await store.transcript(NAME)]
        address = stage.host.sessions.address("k")
        await address.ask(Erase(numbers[1]))
        await trio.sleep(500)
        await address.ask(Erase(numbers[2]))
        await stage.ask("k", user("d"))
    assert channel.heard() == (user("a"), said("2"), user("c"), said("3"), user("d"))


async def test_calls_and_their_results_are_not_taken_apart() -> None:
    store, channel = a_store(), PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store)
        address = stage.host.sessions.address("k")
        await address.ask(append(user("a"), calls("c1", text="So."), result("c1")))
        numbers = [entry.seq for entry in await store.transcript(NAME)]
        for number in numbers[1:]:
            failure = await refusal(stage, Erase(number))
            assert (failure.kind, failure.code) == (FailureKind.CONFLICT, "item_in_use")
        assert (await refusal(stage, Erase(99))).kind is FailureKind.NOT_FOUND


async def test_what_a_fork_has_from_its_source_is_not_its_own_to_take_out() -> None:
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel(*PLAYS), store=store)
        await stage.ask("s", user("a"))
        await stage.ask("k", user("b"), sender=Sender(fork=ForkFrom("s")))
        first = (await store.transcript(NAME))[0].seq
        assert (await refusal(stage, Erase(first))).code == "item_in_use"


async def test_a_busy_session_is_not_changed(nursery: trio.Nursery) -> None:
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel(SLOW))
        nursery.start_soon(stage.ask, "k", user("a"))
        await trio.sleep(1)
        for message in (Annotate(b"x"), append(user("b")), Erase(1)):
            assert (await refusal(stage, message)).code == "session_busy"
        await trio.sleep(60)


async def test_what_the_store_cannot_do_is_told_and_did_not_happen(trouble: list[str]) -> None:
    disk = Disk()
    store = a_store(disk.watch)
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel(*PLAYS), store=store)
        disk.is_full = True
        for message in (Annotate(b"x"), append(user("a"))):
            assert (await refusal(stage, message)).kind is FailureKind.STORE
        disk.is_full = False
        assert await store.info(NAME) is None
        await stage.host.sessions.address("k").ask(Annotate(b"x"))
