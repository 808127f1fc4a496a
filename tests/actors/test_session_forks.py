"""A fork begins with what another session has said, and neither hears of the other after that."""

from collections.abc import Sequence

from trio import sleep

from greenroom.actors.draft import TOLD
from greenroom.actors.entries import SummaryEntry, SystemEntry, TranscriptEntry
from greenroom.actors.failure import FailureKind
from greenroom.actors.session_messages import Reset
from greenroom.actors.stores.records import SessionName
from greenroom.actors.turn import ForkFrom, Sender
from tests.actors.conftest import PlayedChannel, a_system, result, said, set_stage, user, words
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


async def test_a_client_may_send_all_that_its_source_has_said_also_what_that_has_summed_up() -> (
    None
):
    channel = PlayedChannel(words("Yes."))
    store = a_store()
    source, fork = SessionName("main", "k"), SessionName("main", "f")
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store)
        for text in "abc":
            await stage.ask("k", user(text))
        await stage.host.sessions.address("k").ask(Reset())
        told: Sequence[TranscriptEntry] = (user("d"), said("Yes."), user("e"), said("Yes."))
        await stage.ask("k", user("d"))
        await stage.ask("k", user("e"))
    entries = await store.transcript(source)
    state = await store.load(source)
    assert state is not None
    await store.compact(source, state.fence, "t5", SummaryEntry("So far."), entries[1].seq)
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, first_turn=10)
        await stage.ask("f", *told, user("x"), sender=from_("k"))
        assert channel.heard() == (SystemEntry(TOLD + "So far."), *told[2:], user("x"))
        await stage.ask("f", *told, user("x"), said("Yes."), user("y"))
        kept = [
            stored.entry
            for stored in await store.transcript(fork)
            if not isinstance(stored.entry, SummaryEntry)
        ]
    assert kept == [*told, user("x"), said("Yes."), user("y"), said("Yes.")]


async def test_one_whose_first_turn_is_refused_has_nothing_of_its_source() -> None:
    channel = PlayedChannel(*PLAYS)
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store)
        await stage.ask("k", user("a"))
        outcome = await stage.ask("f", result("nothing"), sender=from_("k"))
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.INVALID_REQUEST
        await stage.ask("f", user("b"))
        assert channel.heard() == (user("b"),)
        await sleep(500)
        await stage.ask("f", user("c"))
        assert channel.heard() == (user("b"), said("2"), user("c"))


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
