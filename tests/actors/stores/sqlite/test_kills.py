"""kill -9 at any moment: what was acknowledged is there, nothing is half there, and it goes on."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio

from greenroom.actors.stores.records import SessionName
from greenroom.actors.stores.sqlite import maintenance
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.sqlite.transactions import Point

PROGRAM = Path(__file__).with_name("crashing.py")


class Mortal:
    """A program of lives, each of which ends by a kill."""

    def __init__(self, path: Path, process: "subprocess.Popen[str]") -> None:
        self.path = path
        self._process = process
        self.heads: dict[int, int] = {}
        self.turns: dict[int, set[str]] = {}
        self.open: dict[int, str] = {}

    def live(self, point: Point | None = None, passing: int = 0, acknowledged: int = 0) -> None:
        """Live until `point` is passed so often, or until so much was acknowledged; then be killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self.path}\t{point or '-'}\t{passing}\n")
        self._process.stdin.flush()
        child = 0
        for line in self._process.stdout:
            match line.split():
                case ["child", pid]:
                    child = int(pid)
                case ["dead", status]:
                    assert os.WTERMSIG(int(status)) == signal.SIGKILL
                    return
                case ["head", number, head, *rest]:
                    self._note(int(number), int(head), rest)
                    acknowledged -= 1
                    if point is None and acknowledged == 0:
                        os.kill(child, signal.SIGKILL)
                case _:
                    continue
        raise AssertionError("the program of lives has ended")

    def _note(self, number: int, head: int, rest: list[str]) -> None:
        self.heads[number] = head
        self.open.pop(number, None)
        match rest:
            case ["open", id_]:
                self.open[number] = id_
            case ["turn", id_]:
                self.turns.setdefault(number, set()).add(id_)
            case _:
                return

    async def judge(self) -> None:
        """Hold the file to what was acknowledged."""
        async with SqliteStore.open(self.path) as store:
            for number, head in self.heads.items():
                name = SessionName("main", f"s{number}")
                state = await store.load(name)
                if head == 0 and state is None:
                    continue
                assert state is not None
                assert state.fence.head >= head
                for id_ in self.turns.get(number, ()):
                    turn = await store.turn(name, id_)
                    assert turn is not None
                    assert turn.end is not None
                    assert (len(turn.end.entries), len(turn.end.deltas)) == (2, 30)
                    assert await store.find(name, id_) == turn
                if number in self.open:
                    turn = await store.turn(name, self.open[number])
                    assert turn is not None
                # An owner waits for each append, so nobody has heard of one at most: here an end.
                assert state.fence.head <= head + 3
        assert maintenance.check(self.path).problems == ()


@pytest.fixture(scope="module")
def process() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("passing", [1, 2, 9])
@pytest.mark.parametrize("point", Point)
async def test_at_each_point_of_a_write(
    point: Point, passing: int, path: Path, process: "subprocess.Popen[str]"
) -> None:
    if point is Point.AFTER_CHECKPOINT:
        passing = 1
    mortal = Mortal(path, process)
    await trio.to_thread.run_sync(partial(mortal.live, acknowledged=20))
    await trio.to_thread.run_sync(mortal.live, point, passing)
    await mortal.judge()
    # And again, on what is left.
    await trio.to_thread.run_sync(mortal.live, point, passing)
    await mortal.judge()


async def test_at_any_moment(path: Path, process: "subprocess.Popen[str]") -> None:
    mortal, chance = Mortal(path, process), random.Random(1)
    for _ in range(10):
        moment = chance.randint(1, 120)
        await trio.to_thread.run_sync(partial(mortal.live, acknowledged=moment))
        await mortal.judge()
