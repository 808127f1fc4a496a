"""A message is in the mailbox or its sender hears that it is not; signals come under any load."""

import itertools

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.runtime import MailboxFull, NotAccepted
from greenroom.runtime.mailbox import Envelope, Mailbox
from greenroom.runtime.reply import TURNS_BEFORE_YIELD


def mailbox(size: int = 2) -> Mailbox[str]:
    return Mailbox("box", size)


async def take(box: Mailbox[str]) -> str:
    envelope = await box.get()
    assert envelope is not None
    return envelope.message


@pytest.mark.rule("M2")
async def test_messages_come_out_in_the_order_in_which_they_were_accepted() -> None:
    box = mailbox(3)
    for message in "abc":
        box.put_nowait(Envelope(message))
    assert [await take(box) for _ in range(3)] == ["a", "b", "c"]


@pytest.mark.rule("M3", "M4")
async def test_a_full_mailbox_turns_a_put_nowait_away_by_name_and_size() -> None:
    box = mailbox(1)
    box.put_nowait(Envelope("a"))
    with pytest.raises(MailboxFull) as caught:
        box.put_nowait(Envelope("b"))
    assert (caught.value.path, caught.value.size) == ("box", 1)
    assert box.depth == 1


@pytest.mark.rule("M4")
async def test_a_put_waits_for_room_first_come_first_served(autojump_clock: MockClock) -> None:
    box = mailbox(1)
    async with trio.open_nursery() as nursery:
        for message in "abcd":
            nursery.start_soon(box.put, Envelope(message))
            await wait_all_tasks_blocked()
        assert [await take(box) for _ in range(4)] == ["a", "b", "c", "d"]


@pytest.mark.rule("M4")
async def test_nobody_overtakes_those_who_wait_for_room(autojump_clock: MockClock) -> None:
    box = mailbox(1)
    box.put_nowait(Envelope("a"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.put, Envelope("b"))
        await wait_all_tasks_blocked()
        assert await take(box) == "a"
        with pytest.raises(MailboxFull):
            box.put_nowait(Envelope("c"))
        assert await take(box) == "b"


@pytest.mark.rule("M4")
async def test_whoever_leaves_the_line_for_room_leaves_no_message(
    autojump_clock: MockClock,
) -> None:
    box = mailbox(1)
    box.put_nowait(Envelope("a"))
    with trio.move_on_after(1):
        await box.put(Envelope("b"))
    assert [envelope.message for envelope in box.close()] == ["a"]


@pytest.mark.rule("M3")
async def test_a_closed_mailbox_accepts_nothing() -> None:
    box = mailbox()
    box.close()
    assert not box.is_open
    with pytest.raises(NotAccepted):
        box.put_nowait(Envelope("a"))
    with pytest.raises(NotAccepted):
        await box.put(Envelope("a"))


@pytest.mark.rule("M3", "M6")
async def test_closing_returns_what_was_accepted_and_turns_away_who_waited_for_room(
    autojump_clock: MockClock,
) -> None:
    box = mailbox(2)
    turned_away: list[str] = []

    async def put(message: str) -> None:
        try:
            await box.put(Envelope(message))
        except NotAccepted:
            turned_away.append(message)

    async with trio.open_nursery() as nursery:
        for message in "abcd":
            nursery.start_soon(put, message)
            await wait_all_tasks_blocked()
        assert [envelope.message for envelope in box.close()] == ["a", "b"]
    assert sorted(turned_away) == ["c", "d"]


@pytest.mark.rule("M3", "M6")
async def test_room_that_was_given_before_the_close_counts_as_accepted(
    autojump_clock: MockClock,
) -> None:
    box = mailbox(1)
    box.put_nowait(Envelope("a"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.put, Envelope("b"))
        await wait_all_tasks_blocked()
        assert await take(box) == "a"  # "b" moves in; its sender has not run again yet
        assert [envelope.message for envelope in box.close()] == ["b"]


@pytest.mark.rule("M6")
async def test_closing_again_returns_nothing() -> None:
    box = mailbox()
    box.put_nowait(Envelope("a"))
    assert len(box.close()) == 1
    assert box.close() == []


@pytest.mark.rule("M2", "W2")
async def test_a_signal_comes_ahead_of_messages_and_past_a_full_mailbox() -> None:
    box = mailbox(1)
    box.put_nowait(Envelope("message"))
    box.put_signal(lambda: "first")
    box.put_signal(lambda: "second")
    assert box.depth == 3
    assert [await take(box) for _ in range(3)] == ["first", "second", "message"]


@pytest.mark.rule("W2")
async def test_a_signal_wakes_a_waiting_get(autojump_clock: MockClock) -> None:
    box = mailbox()
    taken: list[str] = []

    async def taker() -> None:
        taken.append(await take(box))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(taker)
        await wait_all_tasks_blocked()
        box.put_signal(lambda: "signal")
        box.put_signal(lambda: "later")
    assert taken == ["signal"]
    assert await take(box) == "later"


@pytest.mark.rule("M6", "W2")
async def test_a_message_that_woke_the_get_is_not_lost_to_a_signal_of_the_same_moment(
    autojump_clock: MockClock,
) -> None:
    box = mailbox()
    taken: list[str] = []

    async def taker() -> None:
        for _ in range(2):
            taken.append(await take(box))  # noqa: PERF401 - it fills while the test waits

    async with trio.open_nursery() as nursery:
        nursery.start_soon(taker)
        await wait_all_tasks_blocked()
        box.put_nowait(Envelope("message"))
        box.put_signal(lambda: "signal")
    assert sorted(taken) == ["message", "signal"]


@pytest.mark.rule("W2")
async def test_a_signal_is_made_when_it_is_taken() -> None:
    box = mailbox()

    def broken() -> str:
        raise ValueError

    box.put_signal(broken)
    with pytest.raises(ValueError):  # noqa: PT011 - the very one from above
        await box.get()


@pytest.mark.rule("W3")
async def test_signals_to_a_closed_mailbox_do_nothing() -> None:
    box = mailbox()
    box.close()
    box.put_signal(lambda: "signal")
    box.wake()
    assert box.depth == 0


@pytest.mark.rule("M4")
async def test_a_wake_that_brings_nothing_is_none_and_takes_no_room(
    autojump_clock: MockClock,
) -> None:
    box = mailbox(1)
    results: list[Envelope[str] | None] = []

    async def get() -> None:
        results.append(await box.get())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(get)
        await wait_all_tasks_blocked()
        box.wake()
        assert box.depth == 0
    assert results == [None]


@pytest.mark.rule("E1", "M2")
async def test_a_wake_that_nobody_waits_for_is_for_the_next_get_and_for_no_other() -> None:
    box = mailbox(1)
    box.put_nowait(Envelope("a"))
    box.wake()
    box.wake()
    assert box.depth == 1
    assert await box.get() is None
    assert await take(box) == "a"


@pytest.mark.rule("W2", "W3")
async def test_a_close_forgets_the_signals_that_wait() -> None:
    box = mailbox()
    box.put_signal(lambda: "signal")
    box.close()
    assert box.depth == 0


@pytest.mark.rule("M6")
async def test_a_cancelled_get_takes_nothing(autojump_clock: MockClock) -> None:
    box = mailbox()
    with trio.move_on_after(1):
        await box.get()
    box.put_nowait(Envelope("a"))
    assert await take(box) == "a"


@pytest.mark.rule("M7")
async def test_neighbours_get_a_chance_after_so_many_messages() -> None:
    box = mailbox(100)
    for _ in range(100):
        box.put_nowait(Envelope("a"))
    taken = 0
    seen: list[int] = []

    async def neighbour() -> None:
        while taken < 100:
            seen.append(taken)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(neighbour)
        for _ in range(100):
            await box.get()
            taken += 1
    gaps = [after - before for before, after in itertools.pairwise(seen)]
    assert 0 < max(gaps) <= 2 * TURNS_BEFORE_YIELD  # twice: trio shuffles who is first in a round


@pytest.mark.rule("M3", "M4", "M6")
@given(
    size=st.integers(0, 3),
    puts=st.integers(0, 8),
    takes=st.integers(0, 8),
    leaves=st.sets(st.integers(0, 7)),
)
def test_every_message_is_taken_returned_or_turned_away_and_its_sender_knows_which(
    size: int, puts: int, takes: int, leaves: set[int]
) -> None:
    """Senders of whom some leave, takes, and a close, all in the same moment."""

    async def program() -> None:
        box: Mailbox[int] = Mailbox("box", size)
        accepted: set[int] = set()
        refused: set[int] = set()
        scopes = {number: trio.CancelScope() for number in range(puts)}

        async def sender(number: int) -> None:
            with scopes[number]:
                try:
                    await box.put(Envelope(number))
                except NotAccepted:
                    refused.add(number)
                else:
                    accepted.add(number)

        got: list[int] = []
        async with trio.open_nursery() as nursery:
            for number in range(puts):
                nursery.start_soon(sender, number)
                await wait_all_tasks_blocked()
            for number in leaves & scopes.keys():
                scopes[number].cancel()
            for _ in range(min(takes, puts - len(refused))):
                with trio.move_on_after(1):
                    envelope = await box.get()
                    assert envelope is not None
                    got.append(envelope.message)
            back = [envelope.message for envelope in box.close()]
        assert sorted(got + back) == sorted(accepted)
        assert got + back == sorted(got + back)
        left = {number for number in scopes if scopes[number].cancelled_caught}
        assert accepted | refused | left == set(range(puts))
        assert not accepted & refused

    trio.run(program, clock=MockClock(autojump_threshold=0))
