"""A provider bounds the calls under way, serves who waits in order, and never loses a permit."""

from collections.abc import Awaitable, Callable
from random import Random

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.channels.channel import Channel
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.provider import RETRY_AFTER_S, Lease, Provider, ProviderMessage
from greenroom.actors.settings import ProviderSettings
from greenroom.runtime import Actor, ActorStopped, Message, NotAccepted, Ref, StartFailed, System
from tests.actors.conftest import PlayedChannel, a_system, in_virtual_time

ProviderRef = Ref[ProviderMessage]


async def open_provider(
    system: System, channel: Channel, max_concurrent: int = 1, max_waiting: int = 9
) -> ProviderRef:
    provider = ProviderSettings(
        "up", "scripted", max_concurrent=max_concurrent, max_waiting=max_waiting
    )
    return await system.spawn(Provider(provider, lambda _: channel, Random(1)), "provider")


class Holder:
    """Wants a permit, and keeps it until it is told how to go."""

    def __init__(self, provider: ProviderRef) -> None:
        self._provider = provider
        self._end = trio.Event()
        self._scope = trio.CancelScope()
        self._crash = False
        self.place: int | None = None
        self.failure: Failure | None = None
        self.gone = False

    async def live(self, arrivals: "list[Holder]", granted: "list[Holder]") -> None:
        try:
            with self._scope:
                arrivals.append(self)
                async with self._provider.stream(Lease("m")) as lease:
                    await anext(lease)
                    self.place = len(granted)
                    granted.append(self)
                    await self._end.wait()
                    self._fault()
        except TurnFailed as failed:
            self.failure = failed.failure
        except ZeroDivisionError:
            pass
        finally:
            self.gone = True

    def _fault(self) -> None:
        if self._crash:
            raise ZeroDivisionError

    @property
    def holds(self) -> bool:
        return self.place is not None and not self.gone

    @property
    def waits(self) -> bool:
        return self.place is None and not self.gone

    def leave(self) -> None:
        """Go once the permit is there, and not before."""
        self._end.set()

    def crash(self) -> None:
        """As `leave`, with an error."""
        self._crash = True
        self._end.set()

    def cancel(self) -> None:
        """Go at once, with a permit or without one."""
        self._scope.cancel()


class Crowd:
    """Holders, in the order in which they came."""

    def __init__(self, provider: ProviderRef, nursery: trio.Nursery) -> None:
        self._provider = provider
        self._nursery = nursery
        self.arrived: list[Holder] = []
        self.granted: list[Holder] = []

    def come(self) -> Holder:
        holder = Holder(self._provider)
        self._nursery.start_soon(holder.live, self.arrived, self.granted)
        return holder

    async def join(self, count: int) -> list[Holder]:
        """Have some come one after the other."""
        holders: list[Holder] = []
        for _ in range(count):
            holders.append(self.come())
            await wait_all_tasks_blocked()
        return holders

    @property
    def holding(self) -> list[Holder]:
        return [holder for holder in self.arrived if holder.holds]

    @property
    def waiting(self) -> list[Holder]:
        return [holder for holder in self.arrived if holder.waits]

    def dismiss(self) -> None:
        for holder in self.arrived:
            holder.cancel()


async def test_a_permit_carries_the_providers_channel() -> None:
    channel = PlayedChannel()
    async with a_system() as system:
        provider = await open_provider(system, channel)
        async with provider.stream(Lease("m")) as lease:
            assert (await anext(lease)).channel is channel


async def test_no_more_hold_a_permit_than_the_bound_says() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        crowd = Crowd(await open_provider(system, PlayedChannel(), 3), nursery)
        holders = await crowd.join(5)
        assert crowd.holding == holders[:3]
        crowd.dismiss()


@pytest.mark.parametrize("how", [Holder.leave, Holder.crash, Holder.cancel])
async def test_a_permit_is_given_on_to_who_came_first(how: Callable[[Holder], None]) -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        crowd = Crowd(await open_provider(system, PlayedChannel(), 2), nursery)
        one, two, three, four, five = await crowd.join(5)
        how(two)
        await wait_all_tasks_blocked()
        assert crowd.holding == [one, three]
        how(one)
        await wait_all_tasks_blocked()
        how(three)
        await wait_all_tasks_blocked()
        assert crowd.holding == [four, five]
        crowd.dismiss()


async def test_past_the_bound_on_waiting_it_is_busy() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        crowd = Crowd(await open_provider(system, PlayedChannel(), 2, 1), nursery)
        *_, third, fourth = await crowd.join(4)
        assert third.waits
        assert fourth.failure == Failure(
            FailureKind.BUSY,
            "Provider 'up' has 2 calls under way and 1 waiting. Try again later.",
            code="provider_busy",
            retry_after=RETRY_AFTER_S,
            limits={
                "limit-requests": "3",
                "remaining-requests": "0",
                "reset-requests": "1s",
            },
        )
        crowd.dismiss()


async def test_without_places_to_wait_it_is_busy_only_while_no_permit_is_free() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        crowd = Crowd(await open_provider(system, PlayedChannel(), 1, 0), nursery)
        one, two = await crowd.join(2)
        assert (one.holds, two.failure is not None) == (True, True)
        one.leave()
        await wait_all_tasks_blocked()
        (three,) = await crowd.join(1)
        assert three.holds
        three.leave()


async def test_who_leaves_while_waiting_frees_its_place_and_is_passed_over() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        crowd = Crowd(await open_provider(system, PlayedChannel(), 1, 2), nursery)
        one, two, three = await crowd.join(3)
        two.cancel()
        await wait_all_tasks_blocked()
        (four,) = await crowd.join(1)
        assert four.waits
        one.leave()
        await wait_all_tasks_blocked()
        assert crowd.granted == [one, three]
        crowd.dismiss()


async def test_who_leaves_before_being_heard_takes_no_permit_with_it() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        provider = await open_provider(system, PlayedChannel(), 1)
        async with provider.stream(Lease("m")):
            pass
        crowd = Crowd(provider, nursery)
        (holder,) = await crowd.join(1)
        assert holder.holds
        holder.leave()


class Work(Message, frozen=True):
    pass


class Borrower(Actor[Work]):
    """Holds a permit in its own task, as a run does."""

    def __init__(self, provider: ProviderRef, then: Callable[[], Awaitable[None]]) -> None:
        self._provider = provider
        self._then = then

    async def receive(self, message: Work) -> None:
        async with self._provider.stream(Lease("m")) as lease:
            await anext(lease)
            await self._then()


async def finish_in_a_second() -> None:
    await trio.sleep(1)


async def crash_in_a_second() -> None:
    await trio.sleep(1)
    raise ZeroDivisionError


@pytest.mark.parametrize("end", ["stop", "kill", "crash"])
async def test_whatever_ends_an_actor_gives_its_permit_back(
    autojump_clock: MockClock, end: str, trouble: list[str]
) -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        provider = await open_provider(system, PlayedChannel())
        then = crash_in_a_second if end == "crash" else finish_in_a_second
        borrower = await system.spawn(Borrower(provider, then), "borrower")
        borrower.tell(Work())
        await wait_all_tasks_blocked()
        crowd = Crowd(provider, nursery)
        (holder,) = await crowd.join(1)
        assert holder.waits
        if end == "kill":
            borrower.kill()
        borrower.stop()
        await borrower.stopped()
        await wait_all_tasks_blocked()
        assert holder.holds
        assert trio.current_time() == pytest.approx(0 if end == "kill" else 1)
        holder.leave()
    if end == "crash":
        trouble.remove("actor.crashed")


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_at_its_end_who_waits_is_told_and_the_channel_is_closed_once(end: str) -> None:
    channel = PlayedChannel()
    async with a_system() as system:
        provider = await open_provider(system, channel)
        async with provider.stream(Lease("m")) as held, provider.stream(Lease("m")) as waiting:
            await anext(held)
            provider.kill() if end == "kill" else provider.stop()
            with pytest.raises(ActorStopped):
                await anext(waiting)
        await provider.stopped()
        assert channel.closed == 1
        with pytest.raises(NotAccepted):
            async with provider.stream(Lease("m")):
                pass
    assert channel.closed == 1


async def test_a_channel_that_cannot_be_made_fails_the_start(trouble: list[str]) -> None:
    def connect(_: ProviderSettings) -> Channel:
        raise ZeroDivisionError

    async with a_system() as system:
        with pytest.raises(StartFailed) as caught:
            await system.spawn(
                Provider(ProviderSettings("up", "scripted"), connect, Random(1)), "provider"
            )
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    trouble.remove("actor.crashed")


# Any program of comings and goings

Move = tuple[str, int]

some_moves = st.lists(
    st.tuples(
        st.sampled_from(["come", "come", "come", "leave", "crash", "cancel", "settle", "settle"]),
        st.integers(0, 99),
    ),
    max_size=40,
)


@settings(max_examples=200)
@given(bound=st.integers(1, 3), moves=some_moves)
def test_no_permit_is_lost_and_none_given_twice_or_out_of_order(
    bound: int, moves: list[Move]
) -> None:
    async def main() -> None:
        async with a_system() as system, trio.open_nursery() as nursery:
            provider = await open_provider(system, PlayedChannel(), bound, 99)
            crowd = Crowd(provider, nursery)
            everyone: list[Holder] = []
            for verb, number in moves:
                if verb == "settle":
                    await wait_all_tasks_blocked()
                    check(crowd)
                elif verb == "come":
                    everyone.append(crowd.come())
                elif everyone:
                    getattr(everyone[number % len(everyone)], verb)()
                assert len(crowd.holding) <= bound
            crowd.dismiss()
            for holder in everyone:
                holder.cancel()
            await wait_all_tasks_blocked()
            check(crowd)
            fresh = Crowd(provider, nursery)
            await fresh.join(bound + 1)
            assert len(fresh.holding) == bound
            fresh.dismiss()

    def check(crowd: Crowd) -> None:
        assert len(crowd.holding) <= bound
        assert not crowd.waiting or len(crowd.holding) == bound
        served = {crowd.arrived.index(holder) for holder in crowd.granted}
        assert all(max(served) < crowd.arrived.index(holder) for holder in crowd.waiting)

    in_virtual_time(main)


@settings(max_examples=200)
@given(
    bound=st.integers(1, 3),
    places=st.integers(0, 2),
    moves=st.lists(
        st.tuples(
            st.sampled_from(["come", "come", "leave", "crash", "cancel"]), st.integers(0, 99)
        ),
        max_size=30,
    ),
)
def test_it_does_what_a_list_of_names_would_do(bound: int, places: int, moves: list[Move]) -> None:
    """A model: those who hold, those who wait, those who will go as soon as they hold."""

    async def main() -> None:
        async with a_system() as system, trio.open_nursery() as nursery:
            crowd = Crowd(await open_provider(system, PlayedChannel(), bound, places), nursery)
            everyone: list[Holder] = []
            inside: list[Holder] = []
            going: set[Holder] = set()
            for verb, number in moves:
                if verb == "come":
                    (holder,) = await crowd.join(1)
                    everyone.append(holder)
                    refused = len(inside) >= bound + places
                    assert (holder.failure is not None) == refused
                    if not refused:
                        inside.append(holder)
                elif everyone:
                    holder = everyone[number % len(everyone)]
                    getattr(holder, verb)()
                    await wait_all_tasks_blocked()
                    going.add(holder)
                    if verb == "cancel" and holder in inside:
                        inside.remove(holder)
                    while leaving := [h for h in inside[:bound] if h in going]:
                        inside.remove(leaving[0])
                assert crowd.holding == inside[:bound]
                assert crowd.waiting == inside[bound:]
            for holder in everyone:
                holder.cancel()

    in_virtual_time(main)
