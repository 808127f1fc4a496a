"""What all tests share: a deadline and a clock, property tests with one verdict, a channel, a log."""

import io
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import trio
import trio.testing
from hypothesis import settings

from greenroom.actors.channels.channel import (
    Deltas,
    Finish,
    FinishReason,
    Reading,
    TextDelta,
    Usage,
)
from greenroom.actors.entries import Prompt
from greenroom.http.config import Logging, LogLevel
from greenroom.http.logs import open_log
from tests.stores import close_stores

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

settings.register_profile("deterministic", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("deterministic")

T = TypeVar("T")

LONG = 1_000_000
"""Virtual seconds, which cost nothing: past them, nothing happens any more."""
PATIENCE = 120
"""Real seconds that a test may take that is about sockets or processes."""


def run_to_an_end(
    test: Callable[[], Awaitable[T]],
    *,
    clock: trio.abc.Clock | None,
    instruments: Sequence[trio.abc.Instrument],
) -> T:
    """Run a test like `trio.run`, with a deadline, so that nothing hangs."""

    async def bounded() -> T:
        with trio.fail_after(PATIENCE if clock is None else LONG):
            return await test()

    return trio.run(bounded, clock=clock, instruments=instruments)


def run_in_virtual_time(
    test: Callable[[], Awaitable[T]],
    *,
    clock: trio.abc.Clock | None,
    instruments: Sequence[trio.abc.Instrument],
) -> T:
    """Run a test where waiting takes no time."""
    virtual = clock or trio.testing.MockClock(autojump_threshold=0)
    return run_to_an_end(test, clock=virtual, instruments=instruments)


@pytest.fixture(autouse=True)
def _no_store_is_left_open() -> Iterator[None]:
    yield
    close_stores()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every trio test its deadline, and its module's clock (`IN_VIRTUAL_TIME`)."""
    for item in items:
        if item.get_closest_marker("trio") is not None:
            module = item.getparent(pytest.Module)
            virtual = getattr(module and module.obj, "IN_VIRTUAL_TIME", False)
            run = run_in_virtual_time if virtual else run_to_an_end
            item.add_marker(pytest.mark.trio(run=run), append=False)


# A channel to watch

Step = Deltas | float | Exception
"""Give a batch, be silent for some seconds, or raise; silence at first is the opening's."""

STOP: Deltas = (Finish(FinishReason.STOP), Usage(prompt=3, completion=2))


def words(*texts: str) -> tuple[Deltas, ...]:
    """An answer of one batch a word."""
    return (*((TextDelta(text),) for text in texts), STOP)


class PlayedChannel:
    """Plays the given steps, one sequence a call, the last one again and again."""

    def __init__(self, *plays: Iterable[Step]) -> None:
        self._plays = list(plays) or [words("Yes.")]
        self.prompts: list[Prompt] = []
        self.given = 0
        self.left: list[float] = []
        self.was_left = trio.Event()

    def open(self, prompt: Prompt) -> "Played":
        self.prompts.append(prompt)
        return Played(self, iter(self._plays[0] if len(self._plays) == 1 else self._plays.pop(0)))

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


class Played(Reading):
    """One answer, played."""

    def __init__(self, channel: PlayedChannel, steps: Iterator[Step]) -> None:
        self._channel = channel
        self._steps = steps
        self._first: Deltas | None = None

    async def __aenter__(self) -> "Played":
        try:
            self._first = await self._play()
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._channel.left.append(trio.current_time())
        self._channel.was_left.set()

    async def __anext__(self) -> Deltas:
        first, self._first = self._first, None
        deltas = await self._play() if first is None else first
        if deltas is None:
            raise StopAsyncIteration
        self._channel.given += 1
        return deltas

    async def _play(self) -> Deltas | None:
        for step in self._steps:
            if isinstance(step, tuple):
                await trio.lowlevel.checkpoint()
                return step
            if isinstance(step, Exception):
                raise step
            await trio.sleep(step)
        return None


# A log to read


class Lines:
    """A JSON log, kept to be read."""

    def __init__(self, level: LogLevel = "debug") -> None:
        self._to = io.BytesIO()
        self.log: FilteringBoundLogger = open_log(Logging(level, "json"), self._to)

    @property
    def text(self) -> str:
        return self._to.getvalue().decode()

    def all(self, event: str | None = None) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in lines if event in (None, line["event"])]

    def requests(self) -> list[dict[str, Any]]:
        return self.all("http.request")
