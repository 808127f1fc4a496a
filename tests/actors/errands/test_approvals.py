"""A call that needs a person's yes is made after that, once, and not before; nobody's word is a no."""

from contextlib import suppress

import pytest
import trio

from greenroom.actors.entries import ToolEntry, UserEntry
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.stores.errands import Approval
from greenroom.actors.tools.tool import Call, InnerTool
from greenroom.actors.turn import OnBusy, Sender
from tests.actors.conftest import FAULT, PlayedChannel, Step, a_system, said, user, words
from tests.actors.errands.conftest import MINE, Small, a_house, an_agent
from tests.actors.tools.conftest import calling, inner_calls
from tests.stores import a_store

IN_VIRTUAL_TIME = True


class Till:
    """A tool that pays, and needs a yes for it."""

    def __init__(self) -> None:
        self.paid: list[str] = []

    def tool(self) -> InnerTool:
        async def pay(call: Call) -> str:
            await trio.lowlevel.checkpoint()
            self.paid.append(call.key)
            return "paid"

        return InnerTool("pay", "Pay.", b'{"type":"object"}', pay, needs_approval=True)


def asking() -> PlayedChannel:
    """A model that wants to pay, tells that it waits, and later that it is done."""
    return PlayedChannel(
        calling(("c1", "pay"), text="Let me pay."), words("It waits."), words("Done.")
    )


async def parked(small: Small) -> str:
    """Have a turn that asks for an approval, and return that one's id."""
    told = await small.ask(user("Pay!"))
    [errand] = await small.house.agenda.list()
    assert isinstance(errand.business, Approval)
    assert told == f"Let me pay.\n\n[Approval {errand.id} is needed: pay {{}}]\n\nIt waits."
    return errand.id


async def test_a_call_waits_and_the_turn_ends_meanwhile() -> None:
    till = Till()
    async with a_system() as system:
        small = await a_house(main=asking()).open(system, an_agent(), tools=[till.tool()])
        id_ = await parked(small)
        assert till.paid == []
        kept = await small.said()
        assert kept[1] == inner_calls(("c1", "pay"), text="Let me pay.")
        assert isinstance(kept[2], ToolEntry)
        assert f"which was asked for as {id_}" in str(kept[2].content)
        assert kept[3] == said(f"[Approval {id_} is needed: pay {{}}]\n\nIt waits.")


async def test_after_a_yes_the_call_is_made_and_the_model_hears_of_it() -> None:
    till = Till()
    async with a_system() as system:
        small = await a_house(main=asking()).open(system, an_agent(), tools=[till.tool()])
        id_ = await parked(small)
        await small.house.agenda.decide(id_, approves=True, by="Ada", reason="we owe it")
        await trio.sleep(1)
        assert till.paid == [f"{id_}.0.1.call_{id_}"]
        assert await small.house.agenda.list() == []
        kept = await small.said()
    assert kept[4:] == [
        UserEntry(f"[Approval {id_}] Ada has approved the call of pay: we owe it.", inner=True),
        inner_calls((f"call_{id_}", "pay")),
        ToolEntry(f"call_{id_}", "paid", inner=True),
        said("Done."),
    ]


async def test_after_a_no_it_is_not_made_and_the_model_hears_why() -> None:
    till = Till()
    async with a_system() as system:
        small = await a_house(main=asking()).open(system, an_agent(), tools=[till.tool()])
        id_ = await parked(small)
        await small.house.agenda.decide(id_, approves=False, by="Ada", reason="too much")
        await trio.sleep(1)
        assert till.paid == []
        kept = await small.said()
    why = "Error: Ada has declined it: too much. Nothing was done."
    assert kept[6:] == [ToolEntry(f"call_{id_}", why, inner=True), said("Done.")]


async def test_nobodys_word_in_time_is_a_no() -> None:
    till = Till()
    async with a_system() as system:
        agent = an_agent(approval_expires=3600.0)
        small = await a_house(main=asking()).open(system, agent, tools=[till.tool()])
        id_ = await parked(small)
        await trio.sleep(3599)
        assert len(await small.said()) == 4
        await trio.sleep(2)
        assert till.paid == []
        kept = await small.said()
        assert "nobody has approved it in time" in str(kept[4])
        with pytest.raises(TurnFailed) as failed:
            await small.house.agenda.decide(id_, approves=True, by="Ada")
    assert failed.value.failure.kind is FailureKind.NOT_FOUND


async def test_the_user_goes_on_meanwhile() -> None:
    till = Till()
    channel = PlayedChannel(
        calling(("c1", "pay"), text="Let me pay."),
        words("It waits."),
        words("Hello."),
        words("Done."),
    )
    async with a_system() as system:
        small = await a_house(main=channel).open(system, an_agent(), tools=[till.tool()])
        id_ = await parked(small)
        assert await small.ask(user("Hi")) == "Hello."
        await small.house.agenda.decide(id_, approves=True, by="Ada")
        await trio.sleep(1)
        assert len(till.paid) == 1


async def test_a_client_that_sends_all_it_has_seen_does_not_undo_what_came_from_inside() -> None:
    till = Till()
    async with a_system() as system:
        small = await a_house(main=asking()).open(system, an_agent(), tools=[till.tool()])
        told = await small.ask(user("Pay!"))
        [errand] = await small.house.agenda.list()
        await small.house.agenda.decide(errand.id, approves=True, by="Ada")
        await trio.sleep(1)
        before = await small.said()
        await small.ask(user("Pay!"), said(told), user("And?"))
        kept = await small.said()
    assert kept == [*before, user("And?"), said("Done.")]


async def test_it_is_decided_once() -> None:
    async with a_system() as system:
        small = await a_house(main=asking()).open(system, an_agent(), tools=[Till().tool()])
        id_ = await parked(small)
        await small.house.agenda.decide(id_, approves=False, by="Ada")
        with pytest.raises(TurnFailed) as failed:
            await small.house.agenda.decide(id_, approves=True, by="Bob")
        await trio.sleep(1)
    assert failed.value.failure.kind is FailureKind.CONFLICT


async def test_it_outlives_the_house() -> None:
    till, store = Till(), a_store()
    async with a_system() as system:
        small = await a_house(store, main=asking()).open(system, an_agent(), tools=[till.tool()])
        id_ = await parked(small)
    async with a_system() as system:
        again = await a_house(store, main=PlayedChannel(words("Done."))).open(
            system, an_agent(), tools=[till.tool()]
        )
        await again.house.agenda.decide(id_, approves=True, by="Ada")
        await trio.sleep(1)
        assert len(till.paid) == 1
        assert (await again.said())[-1] == said("Done.")


async def test_a_decision_that_a_crash_has_cut_is_carried_out_once() -> None:
    """The house ends while it runs; what has been made is not made again."""
    till, store = Till(), a_store()
    channel = PlayedChannel(
        calling(("c1", "pay"), text="Let me pay."), words("It waits."), (1000.0,)
    )
    async with a_system() as system:
        small = await a_house(store, main=channel).open(system, an_agent(), tools=[till.tool()])
        id_ = await parked(small)
        await small.house.agenda.decide(id_, approves=True, by="Ada")
        await trio.sleep(1)
        assert len(till.paid) == 1
        await small.house.close(0)
    async with a_system() as system:
        again = await a_house(store, main=PlayedChannel(words("Done."))).open(
            system, an_agent(), tools=[till.tool()]
        )
        await trio.sleep(80_000)
        assert len(till.paid) == 1
        assert await again.house.agenda.list() == []


async def test_where_the_model_is_away_it_is_told_later() -> None:
    till = Till()
    channel = PlayedChannel(calling(("c1", "pay"), text="Let me pay."), words("It waits."))
    async with a_system() as system:
        small = await a_house(main=channel).open(system, an_agent(), tools=[till.tool()])
        id_ = await parked(small)
        channel.plays([FAULT], words("Done."))
        await small.house.agenda.decide(id_, approves=False, by="Ada")
        await trio.sleep(100)
        kept = await small.said()
        assert await small.house.agenda.list() == []
    # A no does nothing, and what a tool has been told is kept with the failed turn.
    assert isinstance(kept[5], type(kept[1]))


async def test_a_rollback_of_what_it_has_done_does_not_have_it_done_again() -> None:
    till = Till()
    slow: list[Step] = [50.0, *words("Done.")]
    plays = [calling(("c1", "pay"), text="Let me pay."), words("It waits."), slow, words("Next.")]
    async with a_system() as system:
        small = await a_house(main=PlayedChannel(*plays)).open(
            system, an_agent(), tools=[till.tool()]
        )
        id_ = await parked(small)
        await small.house.agenda.decide(id_, approves=True, by="Ada")
        await trio.sleep(10)
        assert len(till.paid) == 1
        assert await small.ask(user("Stop!"), sender=Sender(on_busy=OnBusy.ROLLBACK)) == "Next."
        await trio.sleep(10_000)
        assert len(till.paid) == 1
        assert await small.house.agenda.list() == []


async def slowly(small: Small) -> None:
    with suppress(TurnFailed):
        await small.ask(user("Something slow"))


async def test_one_that_is_interrupted_before_its_call_is_made_later() -> None:
    till = Till()
    slow: list[Step] = [5.0, *words("Slow.")]
    plays = [calling(("c1", "pay"), text="Let me pay."), words("It waits."), slow, words("Done.")]
    async with a_system() as system, trio.open_nursery() as nursery:
        small = await a_house(main=PlayedChannel(*plays)).open(
            system, an_agent(), tools=[till.tool()]
        )
        id_ = await parked(small)
        nursery.start_soon(slowly, small)
        await trio.sleep(1)
        # Its turn waits behind the slow one, and is cancelled with it.
        await small.house.agenda.decide(id_, approves=True, by="Ada")
        await trio.sleep(1)
        await small.house.archive.cancel(MINE)
        assert till.paid == []
        await trio.sleep(100)
        assert len(till.paid) == 1
        assert await small.house.agenda.list() == []
        nursery.cancel_scope.cancel()
