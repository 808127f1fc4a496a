"""What a turn does to the one that runs, and what becomes of one whose client leaves: as senders want."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import Finish, FinishReason, TextDelta
from greenroom.actors.entries import AssistantEntry, TranscriptEntry
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.session import Cancel, Reset
from greenroom.actors.turn import OnBusy, OnDisconnect, Sender
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


async def test_a_turn_is_rolled_back_though_it_was_whole_already_and_its_client_is_told_so() -> (
    None
):
    whole_but_open = ((TextDelta("One."),), (Finish(FinishReason.STOP),), 10.0)
    keyed = Sender(b"body", "my-key", on_disconnect=OnDisconnect.CONTINUE)
    channel = PlayedChannel(whole_but_open, words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        first = await Reader(stage, "k", user("a"), sender=keyed).join(nursery)
        await stage.ask("k", user("b"), sender=on_busy(OnBusy.ROLLBACK))
        again = await stage.ask("k", user("a"), sender=keyed)
    for outcome in (first.outcome, again):
        assert outcome is not None
        assert outcome.failure is not None
        assert outcome.failure.code == "turn_ended"
    assert channel.heard() == (user("b"),)


async def test_a_turn_that_was_to_be_rolled_back_is_so_whoever_comes_then() -> None:
    model = Model()
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, model)
        await Reader(stage, "k", user("a clings")).join(nursery)
        for text, policy in (("b quick", OnBusy.ROLLBACK), ("c quick", OnBusy.INTERRUPT)):
            await Reader(stage, "k", user(text), sender=on_busy(policy)).join(nursery)
    assert model.prompts[-1] == [user("b quick"), said("Said to b."), user("c quick")]


async def test_one_that_was_ended_is_told_that_again_by_its_key() -> None:
    """Its text stands in the session, so it must not be said a second time."""
    keyed = Sender(b"body", "my-key", on_disconnect=OnDisconnect.CONTINUE)
    channel = PlayedChannel(SLOW, words("Yes."))
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, channel)
        reader = Reader(stage, "k", user("a"), streamed=False, sender=keyed)
        await reader.join(nursery)
        await stage.ask("k", user("b"), sender=on_busy(OnBusy.INTERRUPT))
        again = await stage.ask("k", user("a"), streamed=False, sender=keyed)
        assert again.failure == reader.failure
        await stage.ask("k", user("c"))
    assert channel.heard() == (user("a"), CUT, user("b"), said("Yes."), user("c"))


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
