"""A fork begins with what another session has said, and neither hears of the other after that."""

from trio import sleep

from greenroom.actors.entries import TranscriptEntry
from greenroom.actors.failure import FailureKind
from greenroom.actors.stores.records import SessionName
from greenroom.actors.turn import ForkFrom, Sender
from tests.actors.conftest import PlayedChannel, a_system, said, set_stage, user, words
from tests.stores import a_store

IN_VIRTUAL_TIME = True

PLAYS = [words(str(n)) for n in range(1, 20)]
TWO: tuple[TranscriptEntry, ...] = (user("a"), said("1"), user("b"), said("2"))


def from_(key: str, seq: int | None = None) -> Sender:
    return Sender(fork=ForkFrom(key, seq))


async def test_a_fork_has_what_its_source_has_said_and_goes_its_own_way() -> None:
    channel = PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await stage.ask("k", user("a"))
        await stage.ask("k", user("b"))
        await stage.ask("f", user("c"), sender=from_("k"))
        assert channel.heard() == (*TWO, user("c"))
        await stage.ask("k", user("d"))
        assert channel.heard() == (*TWO, user("d"))
        await stage.ask("f", user("e"), sender=from_("k"))
        assert channel.heard() == (*TWO, user("c"), said("3"), user("e"))


async def test_it_is_the_same_after_a_sleep_and_in_another_process() -> None:
    channel = PlayedChannel(*PLAYS)
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store)
        await stage.ask("k", user("a"))
        await stage.ask("k", user("b"))
        await stage.ask("f", user("c"), sender=from_("k"))
        await sleep(500)
        await stage.ask("f", user("d"))
        assert channel.heard() == (*TWO, user("c"), said("3"), user("d"))
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, first_turn=10)
        await stage.ask("f", user("e"))
    assert channel.heard() == (*TWO, user("c"), said("3"), user("d"), said("4"), user("e"))


async def test_it_can_begin_in_the_middle() -> None:
    channel = PlayedChannel(*PLAYS)
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store)
        await stage.ask("k", user("a"))
        await stage.ask("k", user("b"))
        first_answer = (await store.transcript(SessionName("main", "k")))[1].seq
        await stage.ask("f", user("c"), sender=from_("k", first_answer))
    assert channel.heard() == (*TWO[:2], user("c"))


async def test_what_its_source_cuts_afterwards_stays_in_the_fork() -> None:
    channel = PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await stage.ask("k", user("a"))
        await stage.ask("k", user("b"))
        await stage.ask("f", user("c"), sender=from_("k"))
        await stage.ask("k", user("a"), said("1"), user("edited"))
        await sleep(500)
        await stage.ask("f", user("d"))
        assert channel.heard() == (*TWO, user("c"), said("3"), user("d"))


async def test_a_fork_can_tell_another_story_of_what_it_has_from_its_source() -> None:
    channel = PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await stage.ask("k", user("a"))
        await stage.ask("k", user("b"))
        await stage.ask("f", user("c"), sender=from_("k"))
        await stage.ask("f", user("a"), said("1"), user("edited"))
        await sleep(500)
        await stage.ask("f", user("d"))
        assert channel.heard() == (*TWO[:2], user("edited"), said("4"), user("d"))
        await stage.ask("k", user("e"))
        assert channel.heard() == (*TWO, user("e"))


async def test_without_its_source_it_is_refused_and_nothing_is_left() -> None:
    channel = PlayedChannel(*PLAYS)
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store)
        outcome = await stage.ask("f", user("c"), sender=from_("nowhere"))
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.NOT_FOUND
        assert outcome.failure.param == "x-greenroom-fork-from"
        assert await store.info(SessionName("main", "f")) is None
        await stage.ask("f", user("d"))
    assert channel.heard() == (user("d"),)
