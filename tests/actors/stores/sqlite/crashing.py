"""A program that writes to a store until it is killed, and says on standard output what was acknowledged.

It serves kills one after another: each line of its standard input is one life, run in a fork of this
process, which has everything imported. A life is the store's file, the point at which it kills itself and
at which passing of it, or `-` where its parent kills it; its end is told by `dead`.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import trio

from greenroom.actors.channels.channel import TextDelta
from greenroom.actors.entries import AssistantEntry, SummaryEntry, UserEntry
from greenroom.actors.stores.records import (
    AcceptedTurn,
    Fence,
    Fork,
    SessionName,
    TurnEnd,
    TurnState,
)
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.sqlite.transactions import Point

SESSIONS = 8


def tell(*words: object) -> None:
    """Say something, whole, whatever happens next."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def suicide(point: str, passing: int) -> Callable[[Point], None]:
    left = passing

    def watch(passed: Point) -> None:
        nonlocal left
        if passed == point:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return watch


async def talk(store: SqliteStore, number: int) -> None:
    """Turns of one session without end; now and then a summary, a fork, the last fork's end, a reset."""
    name = SessionName("main", f"s{number}")
    state = await store.load(name)
    fence = Fence() if state is None else state.fence
    tell("head", number, fence.head)
    for turn in state.open_turns if state is not None else ():
        ends = (TurnEnd(turn.id, TurnState.INTERRUPTED, 5.0),)
        fence, _ = await store.end(name, fence, ends)
        tell("head", number, fence.head)
    while True:
        id_ = os.urandom(6).hex()
        text = f"said {id_} " * (1 + fence.head % 40)
        turn = AcceptedTurn(id_, 1.0, b"f", id_, "m", 1, True, None, (UserEntry(text),))
        fence = await store.accept(name, fence, turn)
        tell("head", number, fence.head, "open", id_)
        entries = (UserEntry(text), AssistantEntry(f"answer {id_}"))
        deltas = tuple(TextDelta(f"answer {n}") for n in range(30))
        end = TurnEnd(id_, TurnState.FINISHED, 2.0, None, entries, deltas)
        fence, added = await store.end(name, fence, (end,))
        tell("head", number, fence.head, "turn", id_)
        if fence.head % 7 == 0:
            fence, _ = await store.compact(name, fence, id_, SummaryEntry("1"), added[0].seq)
            tell("head", number, fence.head)
            other = SessionName("main", f"fork of {number}")
            await store.delete(other)
            fork = Fork(name, fence.head, fence.head)
            await store.accept(other, Fence(), turn, fork=fork)
            fence = await store.reset(name, fence, 3.0)
            tell("head", number, fence.head)


async def live(path: Path, watch: Callable[[Point], None] | None) -> None:
    async with SqliteStore.open(path, watch=watch) as store, trio.open_nursery() as nursery:
        for number in range(SESSIONS):
            nursery.start_soon(talk, store, number)


def main() -> None:
    """Serve kills."""
    for line in sys.stdin:
        path, point, passing = line.split("\t")
        child = os.fork()
        if child == 0:
            watch = None if point == "-" else suicide(point, int(passing))
            trio.run(live, Path(path), watch)
            os._exit(0)
        tell("child", child)
        _, status = os.waitpid(child, 0)
        tell("dead", status)


if __name__ == "__main__":
    main()
