"""Any program of turns, leavings, crashes, failing writes and restarts: what was told is kept, once."""

from collections.abc import Sequence
from typing import Literal

import msgspec
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.entries import AssistantEntry, ToolEntry, TranscriptEntry
from greenroom.actors.stores.records import SessionName
from greenroom.actors.turn import OnBusy
from tests.actors.conftest import TROUBLE, a_system, in_virtual_time, open_calls
from tests.actors.lives import PASSING, House, Turn
from tests.actors.model import KINDS

KEYS = ("a", "b")


class Come(msgspec.Struct, frozen=True):
    key: str
    kind: str
    named: bool
    streamed: bool
    stays: bool
    policy: OnBusy


class AnswerCalls(msgspec.Struct, frozen=True):
    key: str
    named: bool


class Again(msgspec.Struct, frozen=True):
    number: int
    resumes: bool


class Leave(msgspec.Struct, frozen=True):
    number: int


class Cancel(msgspec.Struct, frozen=True):
    key: str


class Strike(msgspec.Struct, frozen=True):
    number: int
    what: Literal["agent", "session", "run"]
    kill: bool


class FailWrite(msgspec.Struct, frozen=True):
    """The write after so many more fails."""

    after: int


class Restart(msgspec.Struct, frozen=True):
    in_order: bool


class Wait(msgspec.Struct, frozen=True):
    seconds: float


Move = Come | AnswerCalls | Again | Leave | Cancel | Strike | FailWrite | Restart | Wait

_numbers = st.integers(0, 4)
_flags = st.booleans()
_comings = [
    st.builds(
        Come,
        key=st.sampled_from(keys),
        kind=st.sampled_from(list(KINDS)),
        named=_flags,
        streamed=_flags,
        stays=_flags,
        policy=st.sampled_from([OnBusy.ENQUEUE] * 4 + [*OnBusy]),
    )
    for keys in (("a",), (*KEYS, PASSING))
]
_again = st.builds(Again, number=_numbers, resumes=st.sampled_from([False, False, True]))
_waits = st.builds(Wait, seconds=st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.5, 10.0, 200.0]))
_results = st.builds(AnswerCalls, key=st.sampled_from(KEYS), named=_flags)
_leavings = st.builds(Leave, number=_numbers)
_cancels = st.builds(Cancel, key=st.sampled_from(KEYS))
_strikes = st.builds(
    Strike,
    number=_numbers,
    what=st.sampled_from(("agent", "session", "session", "run")),
    kill=_flags,
)
_failures = st.builds(FailWrite, after=st.integers(0, 3))
_restarts = st.builds(Restart, in_order=_flags)

_everything = [_leavings, _cancels, _strikes, _failures, _restarts, _results]
PROGRAMS = st.one_of(
    [
        st.lists(st.one_of(*_comings, _again, _waits, _waits, *some), max_size=most)
        for most, some in (
            (30, _everything),
            (12, _everything),
            (12, [_restarts, _again]),
            (12, [_strikes, _again]),
            (12, [_failures, _again]),
            (12, [_leavings, _cancels]),
            (12, [_results, _results, _restarts]),
        )
    ]
)
"""Of everything, and of a few things that so meet more often."""


async def make(house: House, move: Move) -> None:
    match move:
        case Come(key, kind, named, streamed, stays, policy):
            await house.come(key, kind, named=named, streamed=streamed, stays=stays, policy=policy)
        case AnswerCalls(key, named):
            await house.answer_calls(key, named=named)
        case Again(number, resumes):
            await house.again(number, resumes=resumes)
        case Leave(number):
            house.leave(number)
        case Cancel(key):
            await house.cancel(key)
        case Strike(number, what, kill):
            house.strike(number, what, kill=kill)
        case FailWrite(after):
            house.disk.fails_after = after
        case Wait(seconds):
            await trio.sleep(seconds)
        case Restart():
            raise AssertionError("lives are told apart before they are lived")


def is_a_crash(move: Move) -> bool:
    match move:
        case Come(kind=kind):
            return kind == "crashes"
        case Strike(kill=kill, what=what):
            return not kill or what == "agent"
        case _:
            return False


def lives(moves: Sequence[Move]) -> list[tuple[list[Move], bool]]:
    """The moves of each life, and whether it ends in order."""
    told: list[tuple[list[Move], bool]] = []
    life: list[Move] = []
    for move in moves:
        if isinstance(move, Restart):
            told.append((life, move.in_order))
            life = []
        else:
            life.append(move)
    return [*told, (life, True)]


def places(entries: Sequence[TranscriptEntry], turn: Turn) -> list[int]:
    """Where a transcript has what a turn adds."""
    many = len(turn.entries)
    starts = range(len(entries) - many + 1)
    return [at for at in starts if tuple(entries[at : at + many]) == turn.entries]


def check(entries: Sequence[TranscriptEntry], turns: Sequence[Turn]) -> None:
    """Hold a session's transcript to what its clients were told."""
    known = {entry for turn in turns for entry in turn.entries}
    for entry in entries:
        synthetic = isinstance(entry, ToolEntry) and entry.synthetic
        assert isinstance(entry, AssistantEntry) or synthetic or entry in known
    for turn in turns:
        answers = [entries[at + len(turn.entries)] for at in places(entries, turn)]
        whole = [a for a in answers if isinstance(a, AssistantEntry) and not a.interrupted]
        assert len(whole) <= 1, f"{turn} is answered {len(whole)} times"
        assert len(answers) <= turn.asked, f"{turn} is there {len(answers)} times"
        if turn.told:
            assert whole == [turn.told[0]], f"{turn} is kept as {answers}"
            assert all(told == turn.told[0] for told in turn.told)


@settings(max_examples=200)
@given(PROGRAMS)
def test_whatever_happens_what_was_told_is_kept_once_and_every_session_goes_on(
    moves: list[Move],
) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            house = House(nursery)
            for life, in_order in lives(moves):
                async with a_system() as system:
                    await house.live(system)
                    for move in life:
                        await make(house, move)
                    if not in_order:
                        await house.die()
                house.disk.is_full = False
                house.disk.fails_after = None
            async with a_system() as system:
                await house.live(system)
                for key in (*KEYS, PASSING):
                    await house.come(
                        key, "quick", named=False, streamed=True, stays=True, policy=OnBusy.ENQUEUE
                    )
                    assert house.turns[-1].told, "it goes on at once"
        assert house.model.under_way == 0
        for prompt in house.model.prompts:
            assert open_calls(prompt) == []
        for key in KEYS:
            stored = await house.store.transcript(SessionName("main", key), limit=1000)
            entries = [one.entry for one in stored]
            assert not open_calls(entries)  # type: ignore[arg-type]
            check(entries, [turn for turn in house.turns if turn.key == key])  # type: ignore[arg-type]
        assert await house.store.info(SessionName("main", PASSING)) is None

    TROUBLE.clear()  # of an example that failed
    in_virtual_time(main)
    expected = {"actor.children_stuck"}  # a run may take longer than its session has at its end
    if any(isinstance(move, FailWrite | Restart) for move in moves):
        expected |= {"session.turn_left_open"}
    if any(is_a_crash(move) for move in moves):
        expected |= {"actor.crashed", "actor.restarting"}
    assert set(TROUBLE) <= expected
    TROUBLE.clear()
