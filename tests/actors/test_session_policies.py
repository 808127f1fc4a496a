"""What a turn does to the one that runs, and what becomes of one whose client leaves: as senders want."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import Finish, FinishReason, TextDelta, Usage
from greenroom.actors.closing import ended_by
from greenroom.actors.entries import AssistantEntry, TranscriptEntry
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.recording import Recording
from greenroom.actors.session_messages import Cancel, Reset
from greenroom.actors.turn import OnBusy, OnDisconnect, Sender, TurnEnded
from tests.actors.conftest import (
    SLOW,
    PlayedChannel,
    Reader,
    Step,
    a_system,
    said,
    set_stage,
    user,
    words,
)
from tests.actors.model import Model

IN_VIRTUAL_TIME = True

CUT = AssistantEntry("One ", interrupted=True)


def on_busy(policy: OnBusy) -> Sender:
    return Sender(on_busy=policy)


async def test_one_that_wants_no_wait_is_refused_while_a_turn_runs_or_waits() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, PlayedChannel(SLOW))
        first = await Reader(stage, "k", user("a")).join(nursery)
        refused = await stage.ask("k", user("b"), sender=on_busy(OnBusy.REJECT))
        assert refused.failure is not None
        assert refused.failure.kind is FailureKind.CONFLICT
        assert refused.failure.code == "session_busy"
        await trio.sleep(20)
        assert first.outcome is not None
        assert first.outcome.ended
        assert (await stage.ask("k", user("c"), sender=on_busy(OnBusy.REJECT))).ended


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("policy", "keeps"),
    [(OnBusy.INTERRUPT, (user("a"), CUT)), (OnBusy.ROLLBACK, ())],
)
async def test_one_that_ends_the_running_turn_runs_at_once(
    policy: OnBusy, keeps: tuple[TranscriptEntry, ...], streamed: bool
) -> None:
    channel = PlayedChannel(SLOW, words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        first = await Reader(stage, "k", user("a"), streamed=streamed).join(nursery)
        await trio.sleep(4)
        outcome = await stage.ask("k", user("b"), sender=on_busy(policy))
        assert outcome.text == "Yes."
        assert trio.current_time() == 4
        assert channel.left[0] == 4
        assert first.failure is not None
        assert (first.failure.kind, first.failure.code) == (FailureKind.CONFLICT, "turn_ended")
    assert channel.heard() == (*keeps, user("b"))


async def test_one_that_ends_the_running_turn_comes_after_those_that_wait() -> None:
    channel = PlayedChannel(SLOW, words("1"), words("2"))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        await Reader(stage, "k", user("a")).join(nursery)
        await Reader(stage, "k", user("b")).join(nursery)
        await stage.ask("k", user("c"), sender=on_busy(OnBusy.ROLLBACK))
    assert channel.heard() == (user("b"), said("1"), user("c"))


@pytest.mark.parametrize("policy", [OnBusy.INTERRUPT, OnBusy.ROLLBACK])
async def test_without_a_running_turn_there_is_nothing_to_end(policy: OnBusy) -> None:
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel())
        assert (await stage.ask("k", user("a"), sender=on_busy(policy))).ended


@pytest.mark.parametrize("policy", [OnBusy.INTERRUPT, OnBusy.ROLLBACK])
async def test_a_turn_whose_answer_is_whole_already_ends_well_and_is_kept(policy: OnBusy) -> None:
    whole = ((TextDelta("One."),), (Finish(FinishReason.STOP),), 2.0, (Usage(3, 2),))
    channel = PlayedChannel(whole, words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        first = await Reader(stage, "k", user("a")).join(nursery)
        await trio.sleep(1)
        await stage.ask("k", user("b"), sender=on_busy(policy))
        assert first.outcome is not None
        assert first.outcome.events[-1] == TurnEnded(FinishReason.STOP, Usage(3, 2), ended=2)
    assert channel.heard() == (user("a"), said("One."), user("b"))


def test_of_two_that_end_a_turn_the_first_says_why_and_what_is_kept() -> None:
    for keeps in (True, False):
        recording = Recording()
        recording.stop(ended_by("one"), keeps=keeps)
        recording.stop(ended_by("another"), keeps=not keeps)
        assert (recording.stopped, recording.keeps) == (ended_by("one"), keeps)


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_a_user_said_is_kept_though_nothing_was_answered_yet(streamed: bool) -> None:
    channel = PlayedChannel((10.0, *words("Late.")), words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        await Reader(stage, "k", user("a flight"), streamed=streamed).join(nursery)
        await trio.sleep(4)
        await stage.ask("k", user("to Rome"), sender=on_busy(OnBusy.INTERRUPT))
    assert channel.heard() == (
        user("a flight"),
        AssistantEntry("", interrupted=True),
        user("to Rome"),
    )


async def test_one_that_goes_on_without_its_client_is_kept_whole() -> None:
    channel = PlayedChannel(SLOW, words("Yes."))
    goes_on = Sender(on_disconnect=OnDisconnect.CONTINUE)
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        first = await Reader(stage, "k", user("a"), sender=goes_on).join(nursery)
        second = await Reader(stage, "k", user("b"), sender=goes_on).join(nursery)
        await trio.sleep(1)
        first.leave()
        second.leave()
        await trio.sleep(20)
        await stage.ask("k", user("c"))
    assert channel.heard() == (user("a"), said("One two."), user("b"), said("Yes."), user("c"))


async def test_a_cancel_ends_the_running_turn_and_those_that_wait() -> None:
    channel = PlayedChannel(SLOW, words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        readers = [await Reader(stage, "k", user(text)).join(nursery) for text in "abc"]
        await trio.sleep(3)
        session = stage.host.sessions.address("k")
        assert await session.ask(Cancel()) is True
        await wait_all_tasks_blocked()
        for reader in readers:
            assert reader.failure is not None
            assert reader.failure.code == "turn_ended"
            assert reader.done_at == 3
        assert await session.ask(Cancel()) is False
        await stage.ask("k", user("d"))
    assert channel.heard() == (user("a"), CUT, user("d"))


async def test_a_reset_begins_anew_and_is_refused_while_a_turn_runs() -> None:
    channel = PlayedChannel(words("Yes."), SLOW, words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        session = stage.host.sessions.address("k")
        await stage.ask("k", user("a"))
        await Reader(stage, "k", user("b")).join(nursery)
        with pytest.raises(TurnFailed) as caught:
            await session.ask(Reset())
        assert caught.value.failure.kind is FailureKind.CONFLICT
        await trio.sleep(20)
        await session.ask(Reset())
        await stage.ask("k", user("c"))
        assert channel.heard() == (user("c"),)
        await trio.sleep(500)
        await stage.ask("k", user("d"))
    assert channel.heard() == (user("c"), said("Yes."), user("d"))


async def test_a_turn_hears_how_many_were_before_it() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, PlayedChannel(((TextDelta("a"),), 1.0, *words("b"))))
        readers = [await Reader(stage, "k", user(text)).join(nursery) for text in "abc"]
    started = [reader.outcome.events[0] for reader in readers if reader.outcome is not None]
    assert [getattr(event, "ahead", None) for event in started] == [0, 1, 2]


async def test_a_turn_that_was_to_be_rolled_back_is_so_whoever_comes_then() -> None:
    model = Model()
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, model)
        await Reader(stage, "k", user("a clings")).join(nursery)
        for text, policy in (("b quick", OnBusy.ROLLBACK), ("c quick", OnBusy.INTERRUPT)):
            await Reader(stage, "k", user(text), sender=on_busy(policy)).join(nursery)
    assert model.prompts[-1] == [user("b quick"), said("Said to b."), user("c quick")]


@pytest.mark.parametrize("first", [SLOW, (10.0, *SLOW)], ids=["it has begun", "it has not"])
async def test_one_that_was_ended_is_told_that_again_by_its_key(first: tuple[Step, ...]) -> None:
    """Its text stands in the session, so it must not be said a second time."""
    keyed = Sender(b"body", "my-key", on_disconnect=OnDisconnect.CONTINUE)
    channel = PlayedChannel(first, words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        reader = Reader(stage, "k", user("a"), streamed=False, sender=keyed)
        await reader.join(nursery)
        await trio.sleep(3)
        await stage.ask("k", user("b"), sender=on_busy(OnBusy.INTERRUPT))
        again = await stage.ask("k", user("a"), streamed=False, sender=keyed)
        assert again.failure == reader.failure
        await stage.ask("k", user("c"))
    cut = CUT if first is SLOW else AssistantEntry("", interrupted=True)
    assert channel.heard() == (user("a"), cut, user("b"), said("Yes."), user("c"))
