"""A story is an async function that plays with a system; a run of it takes no real time to wait.

Whatever a story does, its run ends: it is cancelled when the patience with it is over, and after that
nobody's shield counts.
"""

import traceback
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

import trio
from trio.lowlevel import Task
from trio.testing import MockClock

from greenroom.runtime.system import System
from greenroom.runtime.testing.schedule import SCHEDULE

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

T = TypeVar("T")

END = 60.0
"""Virtual seconds that the end of a cancelled story's system may take."""
BELOW = ("trio.", "outcome.", "greenroom.runtime.")
"""Modules in which no story waits by itself."""


def run(
    story: Callable[[System], Awaitable[T]],
    *,
    seed: int = 0,
    patience: float = 3600.0,
    log: "FilteringBoundLogger | None" = None,
) -> T:
    """Run `story` with a system of its own, in virtual time from 0 on; return what it returns.

    `seed` decides the schedule of the tasks and the chance of the system: the same seed repeats the
    run, another one makes another. A story that has not ended after `patience` virtual seconds is
    cancelled. Call it where no trio runs: in a plain test, in a script, in a thread.

    Raises:
        AssertionError: the story did not end in time, or left a task behind.
        RuntimeError: this trio's schedule cannot be seeded.
        Exception: what the story raised, as it is; a note of it tells the seed.
    """
    stuck: dict[str, None] = {}

    async def main() -> T:
        trio.lowlevel.spawn_system_task(_lower_shields, patience + END, stuck)
        with no_task_left():
            return await _bounded(story, System(log=log, seed=seed), patience, stuck)

    with SCHEDULE.seeded(seed):
        try:
            return trio.run(main, clock=MockClock(autojump_threshold=0))
        except Exception as error:
            error.add_note(f"(in a run with seed={seed})")
            raise


async def _bounded(
    story: Callable[[System], Awaitable[T]], system: System, patience: float, stuck: dict[str, None]
) -> T:
    place = ""
    with trio.move_on_after(patience):
        async with system:
            try:
                return await story(system)
            except BaseException as error:
                place = _place(error)
                raise
    held = f"; could not be cancelled: {', '.join(stuck)}" if stuck else ""
    msg = f"the story did not end within {patience:g} virtual seconds{place}{held}"
    raise AssertionError(msg)


def _place(error: BaseException) -> str:
    """Say which line of the story, or of what it calls outside of the kernel, `error` came from."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if not f"{frame.f_globals.get('__name__')}.".startswith(BELOW):
            place = f": it was at {frame.f_code.co_filename}:{line}, in {frame.f_code.co_name}"
    return place


async def _lower_shields(seconds: float, stuck: dict[str, None]) -> None:
    """After `seconds` seconds, make everybody cancellable who holds the run's end."""
    while True:
        await trio.sleep(seconds)
        for task in list(_tasks()):
            if any(nursery.child_tasks for nursery in task.child_nurseries):
                continue  # it waits for its children
            status = getattr(task, "_cancel_status", None)
            while status is not None:
                scope = getattr(status, "_scope", None)
                if isinstance(scope, trio.CancelScope) and scope.shield:
                    scope.shield = False
                    stuck[task.name] = None
                status = getattr(status, "parent", None)


@contextmanager
def no_task_left() -> Generator[None]:
    """Assert at the end that every task which was begun inside, by anybody in the trio run, has ended.

    Raises:
        AssertionError: some have not; it names them. An actor's task has its path for a name.
    """
    before = set(_tasks())
    yield
    left = sorted(task.name for task in _tasks() if task not in before)
    if left:
        msg = f"tasks left behind: {', '.join(left)}"
        raise AssertionError(msg)


def _tasks() -> Iterator[Task]:
    root = trio.lowlevel.current_root_task()
    found = [] if root is None else [root]
    while found:
        task = found.pop()
        yield task
        found.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)
