"""Turns that say what they follow: they go on from there, or are told that it is not the end any more."""

from collections.abc import Sequence

import pytest
import trio
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.entries import Entry, SystemEntry, UserEntry
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.lifetime import Lifetime
from greenroom.actors.session_messages import Reset
from greenroom.actors.stores.records import SessionName
from greenroom.actors.turn import (
    ELSEWHERE,
    ForkFrom,
    OnDisconnect,
    Sender,
    Submit,
    TurnAccepted,
    TurnEvent,
    TurnRequest,
    TurnStarted,
)
from tests.actors.conftest import (
    FAULT,
    SLOW,
    Outcome,
    PlayedChannel,
    Stage,
    a_system,
    calls,
    result,
    said,
    set_stage,
    turn_of,
    user,
    words,
)
from tests.stores import a_store

IN_VIRTUAL_TIME = True

PLAYS = [words(str(n)) for n in range(1, 20)]
STAYS = Sender(on_disconnect=OnDisconnect.CONTINUE)


def item(
    id_: str, *entries: Entry, follows: str | None = None, sender: Sender = STAYS
) -> TurnRequest:
    """A turn that adds all of its entries, and is announced."""
    return replace(
        turn_of(id_, *entries, sender=sender),
        appends=True,
        follows=follows,
        announced=True,
        request=b"{}",
        places=tuple(f"input[{index}]" for index in range(len(entries))),
    )


async def run(stage: Stage, key: str, turn: TurnRequest) -> Outcome:
    """A whole turn."""
    events: list[TurnEvent] = []
    rooms = stage.host.passing if turn.ephemeral else stage.host.sessions
    try:
        async with rooms.address(key).stream(Submit(turn)) as stream:
            async for event in stream:
                events.append(event)  # noqa: PERF401 - those before a failure count, too
    except TurnFailed as failed:
        return Outcome(tuple(events), failed.failure)
    return Outcome(tuple(events), None)


def code(outcome: Outcome) -> str | None:
    assert outcome.failure is not None
    return outcome.failure.code


# What follows


async def test_a_turn_goes_on_from_the_one_it_follows() -> None:
    channel = PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await run(stage, "k", item("a", user("a"), follows=""))
        await run(stage, "k", item("b", user("b"), follows="a"))
    assert channel.heard() == (user("a"), said("1"), user("b"))


async def test_a_turn_that_follows_an_earlier_one_is_sent_elsewhere_and_leaves_nothing() -> None:
    channel = PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel)
        for id_, follows in (("a", ""), ("b", "a")):
            await run(stage, "k", item(id_, user(id_), follows=follows))
        for follows in ("a", "", "never"):
            assert code(await run(stage, "k", item("c", user("c"), follows=follows))) == ELSEWHERE
        await run(stage, "k", item("d", user("d"), follows="b"))
    assert channel.heard() == (user("a"), said("1"), user("b"), said("2"), user("d"))


async def test_it_is_the_same_after_a_sleep() -> None:
    channel = PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await run(stage, "k", item("a", user("a")))
        await trio.sleep(500)
        assert code(await run(stage, "k", item("b", user("b"), follows=""))) == ELSEWHERE
        assert (await run(stage, "k", item("c", user("c"), follows="a"))).ended


async def test_a_turn_that_runs_can_be_followed_and_one_before_it_not_any_more(
    nursery: trio.Nursery,
) -> None:
    channel = PlayedChannel(SLOW, *PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel)
        nursery.start_soon(run, stage, "k", item("a", user("a")))
        await trio.sleep(1)
        nursery.start_soon(run, stage, "k", item("b", user("b"), follows="a"))
        await wait_all_tasks_blocked()
        assert code(await run(stage, "k", item("c", user("c"), follows="a"))) == ELSEWHERE
        assert (await run(stage, "k", item("d", user("d"), follows="b"))).ended
    assert channel.heard() == (
        user("a"), said("One two."), user("b"), said("1"), user("d"),
    )  # fmt: skip


async def test_a_first_turn_that_failed_leaves_its_place_to_the_next() -> None:
    channel = PlayedChannel((FAULT,), *PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await run(stage, "k", item("a", user("a"), follows=""))
        assert (await run(stage, "k", item("b", user("a"), follows=""))).ended


async def test_after_a_reset_nothing_can_be_followed_there() -> None:
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel(*PLAYS))
        await run(stage, "k", item("a", user("a")))
        await stage.host.sessions.address("k").ask(Reset())
        assert code(await run(stage, "k", item("b", user("b"), follows="a"))) == ELSEWHERE


async def test_what_names_what_it_follows_is_not_begun_anew_by_the_clock() -> None:
    channel = PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel, lifetime=Lifetime(idle=10.0))
        await run(stage, "k", item("a", user("a")))
        await trio.sleep(100)
        await run(stage, "k", item("b", user("b"), follows="a"))
    assert channel.heard() == (user("a"), said("1"), user("b"))


# What is added


async def test_what_appends_is_never_taken_for_the_conversation_again() -> None:
    channel = PlayedChannel(*PLAYS)
    again = (user("a"), said("1"), user("b"))
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await run(stage, "k", item("a", user("a")))
        await run(stage, "k", item("b", *again))
    assert channel.heard() == (user("a"), said("1"), *again)


async def test_nothing_at_all_may_be_added() -> None:
    channel = PlayedChannel(*PLAYS)
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await run(stage, "k", item("a", user("a")))
        await run(stage, "k", item("b"))
    assert channel.heard() == (user("a"), said("1"))


async def test_entries_that_instruct_are_shown_as_the_systems_in_their_place_and_stay() -> None:
    channel = PlayedChannel(*PLAYS)
    rule = UserEntry("Be brief.", role="developer", pinned=True)
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await run(stage, "k", item("a", user("a")))
        await run(stage, "k", item("b", SystemEntry("Once."), rule, user("b")))
        await run(stage, "k", item("c", user("c")))
    shown = SystemEntry("Be brief.")
    assert channel.heard(1) == (SystemEntry("Once."), user("a"), said("1"), shown, user("b"))
    assert channel.heard(2) == (user("a"), said("1"), shown, user("b"), said("2"), user("c"))


@pytest.mark.parametrize(
    ("entries", "param", "said_why"),
    [
        ((result("c9"),), "input[0].call_id", "no tool call 'c9' waits for a result"),
        ((calls("c1"), user("b")), "input[1]", "had no result: c1"),
        ((user("b"), calls("c1", "c2"), result("c1")), "input[2]", "had no result: c2"),
    ],
)
async def test_what_does_not_fit_is_named_by_its_place_in_the_request(
    entries: Sequence[Entry], param: str, said_why: str
) -> None:
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel(*PLAYS))
        outcome = await run(stage, "k", item("a", *entries))
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.INVALID_REQUEST
    assert outcome.failure.param == param
    assert said_why in outcome.failure.message


# What is announced


async def test_an_announced_turn_says_first_that_it_was_accepted() -> None:
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel(*PLAYS))
        outcome = await run(stage, "k", replace(item("a", user("a")), model="m", created=7))
    assert outcome.events[0] == TurnAccepted("a", "m", 7)
    assert isinstance(outcome.events[1], TurnStarted)


async def test_one_that_waits_says_behind_how_many_at_once(nursery: trio.Nursery) -> None:
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel(SLOW))
        nursery.start_soon(run, stage, "k", item("a", user("a")))
        await trio.sleep(1)
        address = stage.host.sessions.address("k")
        async with address.stream(Submit(item("b", user("b")))) as stream:
            with trio.fail_after(0.5):
                assert await anext(stream) == TurnAccepted("b", ahead=1)
            await trio.sleep(30)


@pytest.mark.parametrize("when", [1, 60], ids=["while it runs", "after its end"])
async def test_a_repetition_is_told_whose_turn_it_is(when: float, nursery: trio.Nursery) -> None:
    keyed = Sender(b"body", "key", on_disconnect=OnDisconnect.CONTINUE)
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel(SLOW))
        nursery.start_soon(run, stage, "k", item("a", user("a"), follows="", sender=keyed))
        await trio.sleep(when)
        again = await run(stage, "k", item("b", user("a"), follows="", sender=keyed))
    assert again.events[0] == TurnAccepted("a")
    assert again.ended


# Forks


async def test_a_fork_may_begin_as_its_source_stood_then() -> None:
    channel = PlayedChannel(*PLAYS)
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store)
        await run(stage, "k", item("a", user("a")))
        until = await store.until(SessionName("main", "k"), "a")
        await stage.host.sessions.address("k").ask(Reset())
        fork = Sender(fork=ForkFrom("k", until, as_it_stood=True))
        await run(stage, "f", item("b", user("b"), follows="", sender=fork))
        await run(stage, "g", item("c", user("c"), sender=Sender(fork=ForkFrom("k", until))))
    assert channel.heard(1) == (user("a"), said("1"), user("b"))
    assert channel.heard(2) == (user("c"),)


async def test_a_session_that_passes_can_be_a_fork_and_leaves_nothing() -> None:
    channel = PlayedChannel(*PLAYS)
    store = a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store)
        await run(stage, "k", item("a", user("a")))
        fork = Sender(fork=ForkFrom("k"))
        passing = replace(item("b", user("b"), sender=fork), ephemeral=True)
        assert (await run(stage, "p", passing)).ended
        assert await store.info(SessionName("main", "p")) is None
        await run(stage, "k", item("c", user("c"), follows="a"))
    assert channel.heard(1) == (user("a"), said("1"), user("b"))
    assert channel.heard(2) == (user("a"), said("1"), user("c"))
