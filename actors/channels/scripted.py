"""The scripted channel: a model that needs no key and no network, and does what it is told.

It is the embedded default, and of use in tests: its silences follow trio's clock, so under a virtual
one they take no time.
"""

from collections.abc import Iterator
from types import TracebackType

import trio

from greenroom.actors.channels.channel import Deltas, Reading
from greenroom.actors.channels.script import Pause, Step, perform
from greenroom.actors.entries import Prompt
from greenroom.actors.failure import Failure, TurnFailed


class ScriptedChannel:
    """Performs `script.perform`; see there for what it understands."""

    def open(self, prompt: Prompt) -> "Performance":
        """Begin a performance; what comes before its first word happens on entering."""
        return Performance(perform(prompt))

    async def aclose(self) -> None:
        """Do nothing: a performance holds no resource."""
        await trio.lowlevel.checkpoint()


class Performance(Reading):
    """One answer, played step by step."""

    def __init__(self, steps: Iterator[Step]) -> None:
        self._steps = steps
        self._first: Deltas | None = None

    async def __aenter__(self) -> "Performance":
        self._first = await self._play()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._steps = iter(())

    async def __anext__(self) -> Deltas:
        first, self._first = self._first, None
        deltas = await self._play() if first is None else first
        if deltas is None:
            raise StopAsyncIteration
        return deltas

    async def _play(self) -> Deltas | None:
        for step in self._steps:
            match step:
                case Pause(seconds):
                    await trio.sleep(seconds)
                case Failure():
                    raise TurnFailed(step)
                case _:
                    await trio.lowlevel.checkpoint()
                    return step
        return None
