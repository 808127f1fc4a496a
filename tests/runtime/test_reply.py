"""Each end of a reply can go away at any moment without hurting the other."""

import itertools

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import Refusal
from greenroom.runtime.reply import TURNS_BEFORE_YIELD, Reply, ReplyPort, ReplyStream


async def all_of(stream: ReplyStream[int]) -> list[int]:
    return [event async for event in stream]


# One answer


@pytest.mark.rule("A1")
async def test_the_answer_reaches_the_asker() -> None:
    reply: Reply[str] = Reply()
    reply.port.answer("yes")
    assert await reply.wait() == "yes"


@pytest.mark.rule("A1")
async def test_a_failure_is_raised_at_the_asker() -> None:
    reply: Reply[str] = Reply()
    reply.port.fail(Refusal("no"))
    with pytest.raises(Refusal, match="no"):
        await reply.wait()


@pytest.mark.rule("A4")
async def test_the_first_answer_counts() -> None:
    reply: Reply[str] = Reply()
    reply.port.answer("first")
    reply.port.answer("second")
    reply.port.fail(Refusal())
    assert await reply.wait() == "first"


@pytest.mark.rule("A1")
async def test_an_error_can_be_an_answer() -> None:
    reply: Reply[Exception] = Reply()
    value = ValueError()
    reply.port.answer(value)
    assert await reply.wait() is value


@pytest.mark.rule("A3")
async def test_answering_an_asker_who_left_does_nothing(autojump_clock: MockClock) -> None:
    reply: Reply[str] = Reply()
    while_waiting = reply.port.abandoned
    with trio.move_on_after(1):
        await reply.wait()
    assert (while_waiting, reply.port.abandoned) == (False, True)
    reply.port.answer("too late")
    reply.port.fail(Refusal())


@pytest.mark.rule("A3")
async def test_a_port_that_nobody_waits_at_is_abandoned_from_the_start() -> None:
    port: ReplyPort[str] = ReplyPort(None)
    assert port.abandoned
    port.answer("to nobody")


@pytest.mark.rule("A4")
async def test_a_taken_port_is_forgotten_once_it_is_settled() -> None:
    reply: Reply[str] = Reply()
    forgotten: list[ReplyPort[str]] = []
    reply.port.take(forgotten.append)
    assert reply.port.taken
    assert not forgotten
    reply.port.answer("yes")
    reply.port.answer("again")
    assert forgotten == [reply.port]


# A stream's end


@pytest.mark.rule("T1", "T3")
async def test_events_arrive_in_order_and_then_the_stream_ends() -> None:
    stream: ReplyStream[int] = ReplyStream(4)
    for event in range(3):
        await stream.port.send(event)
    stream.port.close()
    assert await all_of(stream) == [0, 1, 2]
    assert await all_of(stream) == []


@pytest.mark.rule("T3")
async def test_the_last_events_of_a_close_are_not_lost_to_a_full_buffer() -> None:
    stream: ReplyStream[int] = ReplyStream(1)
    await stream.port.send(0)
    stream.port.close(1, 2)
    assert await all_of(stream) == [0, 1, 2]


@pytest.mark.rule("T3")
async def test_a_failure_comes_after_what_was_sent_before_it() -> None:
    stream: ReplyStream[int] = ReplyStream(1)
    await stream.port.send(0)
    stream.port.fail(Refusal("no"))
    assert await anext(stream) == 0
    with pytest.raises(Refusal, match="no"):
        await anext(stream)
    assert await all_of(stream) == []


@pytest.mark.rule("T3")
async def test_the_first_end_counts() -> None:
    stream: ReplyStream[int] = ReplyStream(1)
    stream.port.close(1)
    stream.port.close(2)
    stream.port.fail(Refusal())
    assert await all_of(stream) == [1]


@pytest.mark.rule("T3")
async def test_sending_after_the_end_does_nothing() -> None:
    stream: ReplyStream[int] = ReplyStream(1)
    stream.port.close()
    await stream.port.send(1)
    assert await all_of(stream) == []


@pytest.mark.rule("T3")
async def test_an_end_releases_a_producer_who_waits_for_room(autojump_clock: MockClock) -> None:
    stream: ReplyStream[int] = ReplyStream(0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.port.send, 1)
        await wait_all_tasks_blocked()
        stream.port.close(2)
    assert await all_of(stream) == [2]


@pytest.mark.rule("T3")
async def test_receive_nowait_takes_what_is_there_and_never_raises_the_end() -> None:
    stream: ReplyStream[int] = ReplyStream(2)
    assert stream.receive_nowait() is None
    await stream.port.send(1)
    stream.port.fail(Refusal())
    assert stream.receive_nowait() == 1
    assert stream.receive_nowait() is None
    with pytest.raises(Refusal):
        await anext(stream)


# A stream's consumer


@pytest.mark.rule("T1")
async def test_a_producer_is_at_most_the_buffer_and_one_ahead(autojump_clock: MockClock) -> None:
    stream: ReplyStream[int] = ReplyStream(3)
    begun = 0

    async def produce() -> None:
        nonlocal begun
        while True:
            begun += 1
            await stream.port.send(begun)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        for read in range(5):
            await wait_all_tasks_blocked()
            assert begun == read + 3 + 1
            await anext(stream)
        nursery.cancel_scope.cancel()


@pytest.mark.rule("T2")
async def test_a_consumer_that_leaves_cancels_the_producer_wherever_it_is(
    autojump_clock: MockClock,
) -> None:
    stream: ReplyStream[int] = ReplyStream(0)
    ended_at: list[float] = []

    async def produce() -> None:
        with stream.port.scope:
            await trio.sleep(1000)  # not in a send
        ended_at.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        await trio.sleep(1)
        while_reading = stream.port.abandoned
        left_at = trio.current_time()
        stream.leave()
        assert (while_reading, stream.port.abandoned) == (False, True)
    assert ended_at == [left_at]


@pytest.mark.rule("T2")
@pytest.mark.parametrize("buffer", [0, 1, 16])
async def test_a_producer_that_only_ever_waits_for_room_ends_when_its_consumer_leaves(
    autojump_clock: MockClock, buffer: int
) -> None:
    stream: ReplyStream[int] = ReplyStream(buffer)
    sent = 0

    async def produce() -> None:
        nonlocal sent
        with stream.port.scope:
            while sent < 1000:  # a bound for the test's sake: it would spin without a checkpoint
                await stream.port.send(sent)
                sent += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        await wait_all_tasks_blocked()
        stream.leave()
    assert sent <= buffer + 1


@pytest.mark.rule("T2")
async def test_sending_to_a_consumer_that_left_lets_others_run() -> None:
    stream: ReplyStream[int] = ReplyStream(1)
    stream.leave()
    others = 0

    async def other() -> None:
        nonlocal others
        while True:
            others += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for _ in range(10):
            await stream.port.send(1)
        nursery.cancel_scope.cancel()
    assert others >= 9


@pytest.mark.rule("M7", "T1")
async def test_a_reader_of_a_full_stream_lets_its_neighbours_run() -> None:
    stream: ReplyStream[int] = ReplyStream(100)
    for event in range(100):
        await stream.port.send(event)
    stream.port.close()
    read = 0
    seen: list[int] = []

    async def neighbour() -> None:
        while read < 100:
            seen.append(read)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(neighbour)
        async for event in stream:
            assert event == read
            read += 1
    gaps = [after - before for before, after in itertools.pairwise(seen)]
    assert 0 < max(gaps) <= 2 * (TURNS_BEFORE_YIELD + 1)  # trio shuffles who is first in a round


@pytest.mark.rule("M7", "T1")
async def test_a_reader_that_is_cancelled_amid_a_full_stream_stops_reading() -> None:
    stream: ReplyStream[int] = ReplyStream(100)
    for event in range(100):
        await stream.port.send(event)
    read = 0
    with trio.CancelScope() as scope:
        scope.cancel()
        async for _ in stream:
            read += 1
    assert scope.cancelled_caught
    assert read <= TURNS_BEFORE_YIELD
    assert stream.receive_nowait() == read  # what was not read is not lost


@pytest.mark.rule("T2", "T3")
async def test_leaving_ends_the_stream_and_may_be_said_again() -> None:
    stream: ReplyStream[int] = ReplyStream(1)
    forgotten: list[object] = []
    stream.port.take(forgotten.append)
    stream.leave()
    assert forgotten == [stream.port]
    stream.leave()
    stream.port.close(1)
    assert forgotten == [stream.port]


@pytest.mark.rule("T2")
async def test_whoever_asks_is_told_once_that_the_consumer_left() -> None:
    stream: ReplyStream[int] = ReplyStream(1)
    told: list[str] = []
    stream.port.on_leave(lambda: told.append("before"))
    stream.port.on_leave(lambda: told.append("before, too"))
    stream.port.close()
    assert told == []
    stream.leave()
    stream.leave()
    stream.port.on_leave(lambda: told.append("after"))
    assert told == ["before", "before, too", "after"]


@pytest.mark.rule("T1", "T3")
@given(
    buffer=st.integers(0, 3),
    events=st.integers(0, 6),
    last=st.integers(0, 3),
    fails=st.booleans(),
    reads=st.none() | st.integers(0, 9),
    produce_for=st.integers(0, 2),
    read_for=st.integers(0, 2),
    schedule=st.random_module(),
)
def test_a_consumer_reads_a_prefix_of_what_was_produced_and_all_of_it_if_it_stays(
    *,
    buffer: int,
    events: int,
    last: int,
    fails: bool,
    reads: int | None,
    produce_for: int,
    read_for: int,
    schedule: object,
) -> None:
    async def program() -> None:
        stream: ReplyStream[int] = ReplyStream(buffer)
        read: list[int] = []
        produced = 0
        end: type[Exception] | None = None

        async def produce() -> None:
            nonlocal produced
            with stream.port.scope:
                for event in range(events):
                    await trio.sleep(produce_for)
                    produced += 1
                    # The buffer, one in the producer's hand, one in the consumer's.
                    assert produced - len(read) <= buffer + 2
                    await stream.port.send(event)
            if fails:
                stream.port.fail(Refusal())
            else:
                stream.port.close(*range(events, events + last))

        with trio.fail_after(1000):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(produce)
                try:
                    while reads is None or len(read) < reads:
                        await trio.sleep(read_for)
                        read.append(await anext(stream))
                except (StopAsyncIteration, Refusal) as error:
                    end = type(error)
                finally:
                    stream.leave()
        whole = list(range(events if fails else events + last))
        assert read == whole[: len(read)]
        if end is not None:
            assert read == whole
            assert end is (Refusal if fails else StopAsyncIteration)
        else:
            assert len(read) == reads

    trio.run(program, clock=MockClock(autojump_threshold=0))
