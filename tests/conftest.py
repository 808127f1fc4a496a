"""What all tests share: property tests with one verdict, a channel to watch, a log to read."""

import io
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import trio
from hypothesis import settings

from greenroom.actors.channels.channel import Deltas, Finish, FinishReason, TextDelta, Usage
from greenroom.actors.entries import Prompt
from greenroom.http.config import Logging, LogLevel
from greenroom.http.logs import open_log

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

settings.register_profile("deterministic", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("deterministic")

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


class Played(AsyncIterator[Deltas]):
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
