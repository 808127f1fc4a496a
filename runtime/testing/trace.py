"""All that happens in a system, with its time: read without a task, so that looking changes nothing."""

import sys
from types import TracebackType

import trio

from greenroom.runtime.observe import Event
from greenroom.runtime.reply import ReplyStream
from greenroom.runtime.system import System


class Trace(trio.abc.Instrument):
    """Takes down every event, and misses none: `async with Trace(system) as trace`.

    Around a system, it has the system's end as well: `async with Trace(system) as trace, system`.
    """

    def __init__(self, system: System) -> None:
        self._subscription = system.events(buffer=sys.maxsize)
        self._stream: ReplyStream[Event] | None = None
        self._events: list[tuple[float, Event]] = []

    @property
    def events(self) -> list[tuple[float, Event]]:
        """Each event with its time, in seconds of the run's clock; the errors in them equal no other."""
        self._read()
        return self._events

    @property
    def lines(self) -> list[str]:
        """The same as text, to be compared with the trace of another run."""
        return [f"{at:.6f} {event!r}" for at, event in self.events]

    def before_io_wait(self, timeout: float) -> None:
        """Be called by trio, before any time can pass."""
        self._read()

    def _read(self) -> None:
        if self._stream is not None:
            while (event := self._stream.receive_nowait()) is not None:
                self._events.append((trio.current_time(), event))

    async def __aenter__(self) -> "Trace":
        self._stream = await self._subscription.__aenter__()
        trio.lowlevel.add_instrument(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._read()
        self._stream = None
        trio.lowlevel.remove_instrument(self)
        await self._subscription.__aexit__(kind, error, trace)
