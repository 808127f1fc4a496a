"""A request that is known is its turn again: joined while that runs, told again once it has ended."""

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import TextDelta
from greenroom.actors.closing import ended_by
from greenroom.actors.entries import AssistantEntry
from greenroom.actors.failure import FailureKind
from greenroom.actors.known import KEY_LASTS_S, RETRY_LASTS_S
from greenroom.actors.recent import FirstTries, Recent
from greenroom.actors.recording import Recording
from greenroom.actors.turn import OnBusy, OnDisconnect, Sender, TurnStarted
from tests.actors.conftest import (
    FAULT,
    SLOW,
    Outcome,
    PlayedChannel,
    Reader,
    a_system,
    said,
    set_stage,
    user,
    words,
)
from tests.stores import Disk, a_store

IN_VIRTUAL_TIME = True

KEYED = Sender(b"body", "my-key", on_disconnect=OnDisconnect.CONTINUE)
OTHER_BODY = Sender(b"other", "my-key", on_disconnect=OnDisconnect.CONTINUE)
RESUMING = Sender(b"body", "my-key", resumes=True, on_disconnect=OnDisconnect.CONTINUE)
FIRST = Sender(b"body")
RETRY = Sender(b"body", retry=True)
CUT = AssistantEntry("One ", interrupted=True)


def turn_id(outcome: Outcome) -> str:
    assert isinstance(outcome.events[0], TurnStarted)
    return outcome.events[0].turn


def told(outcome: Outcome) -> list[object]:
    """All that was told, however it was batched."""
    events: list[object] = []
    for event in outcome.events:
        events.extend(getattr(event, "deltas", (event,)))
    return events


@pytest.mark.parametrize("keyed", [(KEYED, KEYED), (FIRST, RETRY)], ids=["by key", "by retry"])
async def test_one_that_comes_while_its_turn_runs_hears_it_from_the_beginning(
    keyed: tuple[Sender, Sender],
) -> None:
    channel = PlayedChannel(SLOW)
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        one = await Reader(stage, "k", user("a"), sender=keyed[0]).join(nursery)
        await trio.sleep(5)
        two = await Reader(stage, "k", user("a"), sender=keyed[1]).join(nursery)
    assert len(channel.prompts) == 1
    assert one.outcome is not None
    assert two.outcome is not None
    assert told(one.outcome) == told(two.outcome)
    assert one.done_at == two.done_at == 10


@pytest.mark.parametrize("keyed", [(KEYED, KEYED), (FIRST, RETRY)], ids=["by key", "by retry"])
@pytest.mark.parametrize("wait", [0, 50], ids=["awake", "from the store"])
async def test_one_that_comes_after_its_turns_end_is_told_the_same(
    keyed: tuple[Sender, Sender], wait: float
) -> None:
    channel = PlayedChannel(words("Good ", "day."))
    async with a_system() as system:
        stage = await set_stage(system, channel, idle=20)
        first = await stage.ask("k", user("a"), sender=keyed[0])
        await trio.sleep(wait)
        assert (await stage.status()).live_sessions == (0 if wait else 1)
        again = await stage.ask("k", user("a"), sender=keyed[1])
        assert told(again) == told(first)
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("a"), said("Good day."), user("b"))


async def test_one_that_waits_for_its_turn_is_joined_as_well() -> None:
    channel = PlayedChannel(SLOW)
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        await Reader(stage, "k", user("before")).join(nursery)
        one = await Reader(stage, "k", user("a"), sender=KEYED).join(nursery)
        two = await Reader(stage, "k", user("a"), sender=KEYED).join(nursery)
    assert len(channel.prompts) == 2
    assert one.outcome is not None
    assert two.outcome is not None
    assert turn_id(one.outcome) == turn_id(two.outcome)


@pytest.mark.parametrize("when", [0, 100], ids=["while it runs", "after its end"])
async def test_a_key_with_another_body_is_a_conflict(when: float) -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, PlayedChannel(SLOW))
        await Reader(stage, "k", user("a"), sender=KEYED).join(nursery)
        await trio.sleep(when)
        outcome = await stage.ask("k", user("b"), sender=OTHER_BODY)
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.CONFLICT
        assert outcome.failure.code == "idempotency_key_reused"


async def test_a_key_is_of_its_session_alone() -> None:
    channel = PlayedChannel()
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await stage.ask("k", user("a"), sender=KEYED)
        await stage.ask("l", user("b"), sender=OTHER_BODY)
    assert len(channel.prompts) == 2


@pytest.mark.parametrize(
    ("first", "second", "lasts"),
    [(KEYED, KEYED, KEY_LASTS_S), (FIRST, RETRY, RETRY_LASTS_S)],
    ids=["a key", "a retry"],
)
async def test_it_is_known_for_a_while_and_not_for_ever(
    first: Sender, second: Sender, lasts: float
) -> None:
    channel = PlayedChannel()
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await stage.ask("k", user("a"), sender=first)
        await trio.sleep(lasts - 1)
        await stage.ask("k", user("a"), sender=second)
        assert len(channel.prompts) == 1
        await trio.sleep(2)
        await stage.ask("k", user("a"), sender=second)
        assert len(channel.prompts) == 2


async def test_the_same_body_without_a_word_of_being_a_retry_is_a_turn_of_its_own() -> None:
    channel = PlayedChannel()
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await stage.ask("k", user("a"), sender=FIRST)
        await stage.ask("k", user("a"), sender=FIRST)
    assert len(channel.prompts) == 2


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_turn_that_told_nothing_leaves_its_key_to_the_next(streamed: bool) -> None:
    channel = PlayedChannel((FAULT,), words("Yes."))
    async with a_system() as system:
        stage = await set_stage(system, channel)
        failed = await stage.ask("k", user("a"), sender=KEYED, streamed=streamed)
        assert failed.failure == FAULT.failure
        again = await stage.ask("k", user("a"), sender=KEYED, streamed=streamed)
        assert again.text == "Yes."
        assert told(await stage.ask("k", user("a"), sender=KEYED)) == told(again)
    assert len(channel.prompts) == 2


async def test_one_that_broke_off_in_the_middle_is_told_again_as_it_was() -> None:
    channel = PlayedChannel(((TextDelta("One "),), FAULT), words("Yes."))
    async with a_system() as system:
        stage = await set_stage(system, channel)
        first = await stage.ask("k", user("a"), sender=KEYED)
        again = await stage.ask("k", user("a"), sender=KEYED)
        assert first.failure == again.failure == FAULT.failure
        assert told(first) == told(again)
    assert len(channel.prompts) == 1


async def test_a_keyed_turn_goes_on_without_its_client_and_is_told_to_it_later() -> None:
    channel = PlayedChannel(SLOW)
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        reader = await Reader(stage, "k", user("a"), sender=KEYED).join(nursery)
        await trio.sleep(3)
        reader.leave()
        await trio.sleep(4)
        outcome = await stage.ask("k", user("a"), sender=KEYED)
        assert trio.current_time() == 10
        assert outcome.text == "One two."
    assert len(channel.prompts) == 1


async def test_a_turn_is_cancelled_when_the_last_of_its_readers_leaves() -> None:
    channel = PlayedChannel(SLOW)
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        one = await Reader(stage, "k", user("a"), sender=FIRST).join(nursery)
        await trio.sleep(1)
        two = await Reader(stage, "k", user("a"), sender=RETRY).join(nursery)
        await trio.sleep(1)
        one.leave()
        await trio.sleep(1)
        assert channel.left == []
        two.leave()
        await trio.sleep(1)
        assert channel.left == [3]


async def test_a_stateless_answer_that_got_lost_is_told_again_for_a_minute() -> None:
    channel = PlayedChannel()
    async with a_system() as system:
        stage = await set_stage(system, channel)
        first = await stage.ask("p1", user("a"), ephemeral=True, sender=FIRST)
        again = await stage.ask("p2", user("a"), ephemeral=True, sender=RETRY)
        assert told(again) == told(first)
        await trio.sleep(61)
        await stage.ask("p3", user("a"), ephemeral=True, sender=RETRY)
        assert (await stage.status()).live_sessions == 0
    assert len(channel.prompts) == 2


@pytest.mark.parametrize("end", ["kept", "lost"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_after_a_crash_a_key_runs_its_turn_in_place_of_the_one_that_was_cut(
    end: str, streamed: bool, trouble: list[str]
) -> None:
    disk = Disk()
    store = a_store(disk.watch)
    channel = PlayedChannel(SLOW, words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, store=store)
        reader = Reader(stage, "k", user("a"), sender=KEYED, streamed=streamed)
        await reader.join(nursery)
        await trio.sleep(3)
        reader.leave()
        disk.is_full = end == "lost"
        stage.agent.kill()
    disk.is_full = False
    assert trouble == (["session.turn_left_open"] if end == "lost" else [])
    trouble.clear()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, first_turn=10)
        cut = await stage.ask("k", user("a"), sender=RESUMING, streamed=streamed)
        assert cut.failure is not None
        assert (cut.failure.kind, cut.failure.code) == (FailureKind.CONFLICT, "turn_interrupted")
        outcome = await stage.ask("k", user("a"), sender=KEYED, streamed=streamed)
        assert outcome.text == "Yes."
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("a"), said("Yes."), user("b"))


async def test_after_a_crash_an_sdks_retry_takes_its_turns_place_and_a_new_turn_does_not() -> None:
    before = (user("x"), said("Yes."))
    for sender, heard in ((RETRY, (user("a"),)), (FIRST, (user("a"), CUT, user("a")))):
        store = a_store()
        channel = PlayedChannel(words("Yes."), SLOW)
        async with a_system() as system, trio.open_nursery() as nursery:
            stage = await set_stage(system, channel, store=store)
            await stage.ask("k", user("x"))
            first = msgspec.structs.replace(FIRST, on_disconnect=OnDisconnect.CONTINUE)
            reader = await Reader(stage, "k", user("a"), sender=first).join(nursery)
            await trio.sleep(3)
            reader.leave()
            stage.agent.kill()
        async with a_system() as system:
            stage = await set_stage(system, channel, store=store, first_turn=10)
            await stage.ask("k", user("a"), sender=sender)
        assert channel.heard() == (*before, *heard)


async def test_a_key_whose_turn_a_crash_has_cut_leaves_what_came_after_that() -> None:
    channel = PlayedChannel(SLOW, words("Yes."))
    store = a_store()
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, store=store)
        reader = await Reader(stage, "k", user("a"), sender=KEYED).join(nursery)
        await trio.sleep(3)
        reader.leave()
        stage.agent.kill()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, first_turn=10)
        await stage.ask("k", user("b"))
        assert (await stage.ask("k", user("a"), sender=KEYED)).text == "Yes."
    assert channel.heard() == (user("a"), CUT, user("b"), said("Yes."), user("a"))


async def test_a_turn_that_was_ended_is_told_as_such_also_while_it_ends() -> None:
    channel = PlayedChannel(SLOW, words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        await Reader(stage, "k", user("a"), sender=KEYED).join(nursery)
        await trio.sleep(3)
        interrupting = Sender(on_busy=OnBusy.INTERRUPT)
        second = Reader(stage, "k", user("b"), sender=interrupting)
        again = Reader(stage, "k", user("a"), sender=KEYED)
        nursery.start_soon(second.read)
        nursery.start_soon(again.read)
        await trio.sleep(20)
        for outcome in (again.outcome, await stage.ask("k", user("a"), sender=KEYED)):
            assert outcome is not None
            assert (outcome.text, outcome.failure) == ("One ", ended_by("a later request"))
    assert len(channel.prompts) == 2


async def test_a_retry_of_what_was_refused_is_no_replay_of_an_earlier_turn_of_the_same_words() -> (
    None
):
    channel = PlayedChannel(words("1"), SLOW, words("2"))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel, waiting_turns=0)
        assert (await stage.ask("k", user("next"), sender=FIRST)).text == "1"
        await Reader(stage, "k", user("long")).join(nursery)
        await trio.sleep(1)
        refused = await stage.ask("k", user("next"), sender=FIRST)
        assert refused.failure is not None
        assert refused.failure.code == "session_queue_full"
        await trio.sleep(20)
        assert (await stage.ask("k", user("next"), sender=RETRY)).text == "2"


@pytest.mark.parametrize("between", [1, 20])
async def test_a_retry_is_known_though_others_had_their_turns_meanwhile(between: int) -> None:
    channel = PlayedChannel(words("1"), words("2"))
    async with a_system() as system:
        stage = await set_stage(system, channel)
        await stage.ask("k", user("a"), sender=FIRST)
        for number in range(between):
            await stage.ask("k", user(f"b{number}"))
        assert (await stage.ask("k", user("a"), sender=RETRY)).text == "1"
    assert len(channel.prompts) == 1 + between


@pytest.mark.parametrize("ends", ["left", "failed"])
async def test_a_retry_of_a_turn_that_was_cut_runs_it_again_in_its_place(ends: str) -> None:
    cut = SLOW if ends == "left" else ((TextDelta("One "),), FAULT)
    channel = PlayedChannel(cut, words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        reader = await Reader(stage, "k", user("a"), sender=FIRST).join(nursery)
        await trio.sleep(3)
        reader.leave()
        await trio.sleep(1)
        assert (await stage.ask("k", user("a"), sender=RETRY)).text == "Yes."
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("a"), said("Yes."), user("b"))


async def test_one_that_goes_on_with_a_turn_that_is_not_known_is_refused() -> None:
    channel = PlayedChannel()
    async with a_system() as system:
        stage = await set_stage(system, channel)
        outcome = await stage.ask("k", user("a"), sender=RESUMING)
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.CONFLICT
        assert outcome.failure.code == "replay_unknown"
    assert not channel.prompts


async def test_a_reader_that_is_dead_without_a_word_makes_nobody_wait() -> None:
    many = tuple((TextDelta("x"),) for _ in range(100))
    channel = PlayedChannel((*many, *words("!")))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        async with stage.open("k", user("a"), sender=KEYED):
            await wait_all_tasks_blocked()
            second = await Reader(stage, "k", user("a"), sender=KEYED).join(nursery)
            assert second.outcome is not None
            assert second.outcome.text == "x" * 100 + "!"


def test_recent_answers_are_bounded_in_time_and_size() -> None:
    recent = Recent(most=3, size=40_000, lasts=60)
    for number in range(4):
        recent.keep(bytes([number]), Recording(), 0)
    assert [recent.find(bytes([n]), 60) is not None for n in range(4)] == [False, True, True, True]
    assert recent.find(b"\1", 61) is None
    many = Recording()
    many.deltas.extend([TextDelta("x")] * 500)
    recent.keep(b"many", many, 0)
    assert recent.find(b"many", 0) is None


def test_first_tries_are_bounded_and_those_of_another_session_are_not_meant() -> None:
    tries = FirstTries(most=2)
    for number in range(3):
        tries.note("k", Sender(bytes([number])), number + 5)
    assert [tries.since("k", Sender(bytes([n]))) for n in range(3)] == [0, 6, 7]
    assert tries.since("l", Sender(b"\1")) == 0
    tries.note("k", Sender(b"\1", retry=True), 9)
    assert tries.since("k", Sender(b"\1")) == 6


async def test_one_that_runs_again_takes_nothing_from_those_that_came_after_it() -> None:
    channel = PlayedChannel(SLOW, words("B."), words("A."), words("C."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        reader = await Reader(stage, "k", user("a"), sender=KEYED).join(nursery)
        await trio.sleep(3)
        reader.leave()
        stage.host.sessions.activate("k").ref.kill()
        assert (await stage.ask("k", user("b"))).text == "B."
        assert (await stage.ask("k", user("a"), sender=KEYED)).text == "A."
        await stage.ask("k", user("c"))
    before = (user("a"), CUT, user("b"), said("B."), user("a"), said("A."))
    assert channel.heard() == (*before, user("c"))
