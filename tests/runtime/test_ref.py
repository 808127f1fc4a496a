"""Three verbs reach an actor: a tell never waits, an ask and a stream do, and all end in an answer."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import (
    Actor,
    ActorStopped,
    MailboxFull,
    Message,
    NotAccepted,
    Refusal,
    Request,
    Subscription,
    System,
)


class Note(Message, frozen=True):
    text: str


class Notes(Request[list[str]], frozen=True):
    pass


class Nap(Request[None], frozen=True):
    seconds: float


class Refuse(Request[int], frozen=True):
    pass


class Count(Subscription[int], frozen=True):
    upto: int
    pause: float = 0


class RefuseCount(Subscription[int], frozen=True):
    pass


class Clerk(Actor[Note | Notes | Nap | Refuse | Count | RefuseCount]):
    def __init__(self, mailbox_size: int = 64) -> None:
        self.mailbox_size = mailbox_size
        self.notes: list[str] = []
        self.left_at: float | None = None

    async def receive(
        self, message: Note | Notes | Nap | Refuse | Count | RefuseCount
    ) -> list[str] | None:
        match message:
            case Note(text):
                self.notes.append(text)
            case Notes():
                return list(self.notes)
            case Nap(seconds):
                await trio.sleep(seconds)
            case Refuse() | RefuseCount():
                raise Refusal("no")
            case Count(upto, pause):
                await self.count(message, upto, pause)
        return None

    async def count(self, message: Count, upto: int, pause: float) -> None:
        port = self.stream_port(message)
        with port.scope:
            for number in range(upto):
                await trio.sleep(pause)
                await port.send(number)
            port.close()
            return
        self.left_at = trio.current_time()


@pytest.mark.rule("M2")
async def test_a_tell_and_an_ask_of_one_sender_arrive_in_order(autojump_clock: MockClock) -> None:
    async with System() as system:
        clerk = await system.spawn(Clerk(), "clerk")
        clerk.tell(Note("a"))
        clerk.tell(Note("b"))
        assert await clerk.ask(Notes()) == ["a", "b"]


@pytest.mark.rule("M3", "M4")
async def test_a_tell_to_a_full_mailbox_is_turned_away(autojump_clock: MockClock) -> None:
    async with System() as system, trio.open_nursery() as nursery:
        clerk = await system.spawn(Clerk(mailbox_size=1), "clerk")
        nursery.start_soon(clerk.ask, Nap(5))
        await wait_all_tasks_blocked()
        clerk.tell(Note("a"))
        with pytest.raises(MailboxFull):
            clerk.tell(Note("b"))
        assert await clerk.ask(Notes()) == ["a"]


@pytest.mark.rule("M4")
async def test_an_ask_waits_for_room_in_a_full_mailbox(autojump_clock: MockClock) -> None:
    async with System() as system, trio.open_nursery() as nursery:
        clerk = await system.spawn(Clerk(mailbox_size=1), "clerk")
        for _ in range(4):
            nursery.start_soon(clerk.ask, Nap(5))
        await wait_all_tasks_blocked()
        await clerk.ask(Notes())
        assert trio.current_time() == 20


@pytest.mark.rule("A2")
async def test_a_refusal_comes_out_of_the_ask_and_the_actor_lives_on(
    autojump_clock: MockClock,
) -> None:
    async with System() as system:
        clerk = await system.spawn(Clerk(), "clerk")
        clerk.tell(Note("kept"))
        with pytest.raises(Refusal, match="no"):
            await clerk.ask(Refuse())
        assert await clerk.ask(Notes()) == ["kept"]


@pytest.mark.rule("A3")
async def test_an_asker_who_leaves_costs_the_actor_nothing(autojump_clock: MockClock) -> None:
    async with System() as system:
        clerk = await system.spawn(Clerk(), "clerk")
        with trio.move_on_after(1):
            await clerk.ask(Nap(5))
        assert trio.current_time() == 1
        assert await clerk.ask(Notes()) == []
        assert trio.current_time() == 5


@pytest.mark.rule("A5")
async def test_an_ask_waits_for_as_long_as_its_asker_does(autojump_clock: MockClock) -> None:
    async with System() as system:
        clerk = await system.spawn(Clerk(), "clerk")
        await clerk.ask(Nap(400_000))
        assert trio.current_time() == 400_000
        with pytest.raises(trio.TooSlowError), trio.fail_after(5):
            await clerk.ask(Nap(20))
        assert trio.current_time() == 400_005


@pytest.mark.rule("M3")
async def test_all_verbs_to_an_ended_actor_are_not_accepted(autojump_clock: MockClock) -> None:
    async with System() as system:
        clerk = await system.spawn(Clerk(), "clerk")
        clerk.stop()
        await clerk.stopped()
        with pytest.raises(NotAccepted):
            clerk.tell(Note("a"))
        with pytest.raises(NotAccepted):
            await clerk.ask(Notes())
        with pytest.raises(NotAccepted):
            async with clerk.stream(Count(3)):
                pytest.fail("there is no stream")


@pytest.mark.rule("A1", "M3")
async def test_an_ask_that_waits_for_room_at_an_end_is_not_accepted(
    autojump_clock: MockClock,
) -> None:
    outcomes: list[type[Exception]] = []
    async with System() as system, trio.open_nursery() as nursery:
        clerk = await system.spawn(Clerk(mailbox_size=1), "clerk")

        async def ask() -> None:
            try:
                await clerk.ask(Nap(5))
            except (ActorStopped, NotAccepted) as error:
                outcomes.append(type(error))

        for _ in range(3):
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
        clerk.kill()
    assert sorted(kind.__name__ for kind in outcomes) == [
        "ActorStopped",  # in hand
        "ActorStopped",  # in the mailbox
        "NotAccepted",  # waiting for room
    ]


@pytest.mark.rule("T1", "T3")
async def test_a_stream_brings_its_events_and_ends(autojump_clock: MockClock) -> None:
    async with System() as system:
        clerk = await system.spawn(Clerk(), "clerk")
        async with clerk.stream(Count(20), buffer=2) as events:
            assert [event async for event in events] == list(range(20))


@pytest.mark.rule("A2", "T3")
async def test_a_subscription_can_be_refused(autojump_clock: MockClock) -> None:
    async with System() as system:
        clerk = await system.spawn(Clerk(), "clerk")
        async with clerk.stream(RefuseCount()) as events:
            with pytest.raises(Refusal, match="no"):
                await anext(events)
        assert await clerk.ask(Notes()) == []


@pytest.mark.rule("T2")
async def test_leaving_a_stream_frees_its_producer_in_the_same_moment(
    autojump_clock: MockClock,
) -> None:
    async with System() as system:
        actor = Clerk()
        clerk = await system.spawn(actor, "clerk")
        async with clerk.stream(Count(5, pause=10)) as events:
            assert await anext(events) == 0
            await trio.sleep(1)
        assert await clerk.ask(Notes()) == []
        assert actor.left_at == trio.current_time() == 11


@pytest.mark.rule("T2")
async def test_a_cancelled_consumer_has_left(autojump_clock: MockClock) -> None:
    async with System() as system:
        actor = Clerk()
        clerk = await system.spawn(actor, "clerk")
        with trio.move_on_after(15):
            async with clerk.stream(Count(5, pause=10)) as events:
                async for _ in events:
                    pass
        await clerk.ask(Notes())
        assert actor.left_at == 15


@pytest.mark.rule("M4")
async def test_a_stream_whose_subscription_is_cancelled_in_line_is_never_begun(
    autojump_clock: MockClock,
) -> None:
    async with System() as system, trio.open_nursery() as nursery:
        actor = Clerk(mailbox_size=1)
        clerk = await system.spawn(actor, "clerk")
        nursery.start_soon(clerk.ask, Nap(5))
        await wait_all_tasks_blocked()
        clerk.tell(Note("a"))
        with trio.move_on_after(1):
            async with clerk.stream(Count(5)):
                pytest.fail("there is no room")
        assert await clerk.ask(Notes()) == ["a"]
        assert actor.left_at is None


@pytest.mark.rule("T1")
async def test_nobody_reading_means_nothing_is_produced(autojump_clock: MockClock) -> None:
    async with System() as system:
        actor = Well()
        ref = await system.spawn(actor, "well")
        async with ref.stream(Count(100), buffer=3) as events:
            await trio.sleep(10)
            assert actor.produced == 3 + 1
            await anext(events)
            await trio.sleep(10)
            assert actor.produced == 3 + 2


class Well(Actor[Count]):
    """Gives more than anybody reads; counts what it has made, sent or not."""

    produced = 0

    async def receive(self, message: Count) -> None:
        port = self.stream_port(message)
        with port.scope:
            while self.produced < 10_000:  # a bound that no reader here comes near
                self.produced += 1
                await port.send(self.produced)


@pytest.mark.rule("O4")
async def test_a_ref_shows_its_place_in_the_tree(autojump_clock: MockClock) -> None:
    async with System("house") as system:
        clerk = await system.spawn(Clerk(), "clerk")
        assert clerk.path == "house/clerk"
        assert repr(clerk) == "<Ref house/clerk>"
        assert [node.path for node in system.tree().children] == ["house/clerk"]
