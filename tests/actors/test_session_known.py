"""A request that is known is its turn again: joined while that runs, told again once it has ended."""

import msgspec
import pytest
import trio

from greenroom.actors.channels.channel import TextDelta
from greenroom.actors.entries import AssistantEntry
from greenroom.actors.failure import FailureKind
from greenroom.actors.known import KEY_LASTS_S, RETRY_LASTS_BEHIND_S, RETRY_LASTS_S
from greenroom.actors.turn import OnDisconnect, Sender, TurnStarted
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
KEYED_AND_CANCELLED = Sender(b"body", "my-key")
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
@pytest.mark.parametrize("wait", [0, 500], ids=["awake", "from the store"])
async def test_one_that_comes_after_its_turns_end_is_told_the_same(
    keyed: tuple[Sender, Sender], wait: float
) -> None:
    channel = PlayedChannel(words("Good ", "day."))
    async with a_system() as system:
        stage = await set_stage(system, channel)
        first = await stage.ask("k", user("a"), sender=keyed[0])
        await trio.sleep(wait)
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
    end: str, streamed: bool
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


@pytest.mark.parametrize("sender", [FIRST, KEYED_AND_CANCELLED], ids=["by retry", "by key"])
async def test_one_that_its_clients_leaving_has_cancelled_runs_again_in_its_own_place(
    sender: Sender,
) -> None:
    channel = PlayedChannel(SLOW, words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        reader = await Reader(stage, "k", user("a"), sender=sender).join(nursery)
        await trio.sleep(1)
        reader.leave()
        retry = msgspec.structs.replace(sender, retry=sender.idempotency is None)
        assert (await stage.ask("k", user("a"), sender=retry)).text == "Yes."
        await stage.ask("k", user("b"))
    assert channel.heard() == (user("a"), said("Yes."), user("b"))


@pytest.mark.parametrize("wait", [0, RETRY_LASTS_BEHIND_S + 1], ids=["at once", "too late"])
async def test_an_sdks_retry_is_known_behind_others_turns_for_a_shorter_while(wait: float) -> None:
    channel = PlayedChannel(words("1"), words("2"), words("3"))
    async with a_system() as system:
        stage = await set_stage(system, channel, idle=1000)
        first = await stage.ask("k", user("a"), sender=FIRST)
        await stage.ask("k", user("b"), sender=Sender(b"other"))
        await trio.sleep(wait)
        again = await stage.ask("k", user("a"), sender=RETRY)
    assert (told(again) == told(first)) == (wait == 0)
    assert len(channel.prompts) == (2 if wait == 0 else 3)
