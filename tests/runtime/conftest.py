"""Waits that would never end fail a test instead of hanging it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest
import trio

T = TypeVar("T")

LONG = 1_000_000
"""Virtual seconds, which cost nothing: past them, nothing happens any more."""


def run_to_an_end(
    test: Callable[[], Awaitable[T]],
    *,
    clock: trio.abc.Clock | None,
    instruments: Sequence[trio.abc.Instrument],
) -> T:
    """Run a test like `trio.run`, with a deadline if its time is virtual."""

    async def bounded() -> T:
        with trio.fail_after(float("inf") if clock is None else LONG):
            return await test()

    return trio.run(bounded, clock=clock, instruments=instruments)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("trio") is not None:
            item.add_marker(pytest.mark.trio(run=run_to_an_end), append=False)
