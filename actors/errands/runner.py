"""Who runs errands: looks which ones are due, and sends one actor each on its way.

It remembers nothing that is not in the store: after a crash, or a week asleep, what is due then is run,
each once.
"""

from collections.abc import Callable
from typing import assert_never

import trio

from greenroom.actors.errands.going import Go, Going, Place
from greenroom.actors.stores.errands import Errands
from greenroom.actors.stores.store import StoreFailed
from greenroom.runtime import Actor, Message

MOST_UNDER_WAY = 64
"""Errands that are under way at once."""
_LONGEST_SLEEP_S = 3600.0
_AFTER_TROUBLE_S = 5.0


class Look(Message, frozen=True):
    """Something may be due now, or earlier than before."""


class CameBack(Message, frozen=True):
    """An errand's try has ended."""

    errand: str


RunnerMessage = Look | CameBack


class Runner(Actor[RunnerMessage]):
    """Runs what is due, `MOST_UNDER_WAY` at once."""

    def __init__(self, errands: Errands, place: Place, clock: Callable[[], float]) -> None:
        self._errands = errands
        self._place = place
        self._clock = clock
        self._under_way: set[str] = set()
        self._goings = 0

    async def on_start(self) -> None:
        self.ref.tell(Look())

    async def receive(self, message: RunnerMessage) -> None:
        match message:
            case Look():
                pass
            case CameBack(errand):
                self._under_way.discard(errand)
            case never:
                assert_never(never)
        if self.is_stopping:
            return
        try:
            sleep = await self._look()
        except StoreFailed as error:
            self.log.warning("errands.store_failed", error=str(error))
            sleep = _AFTER_TROUBLE_S
        self.set_alarm(trio.current_time() + sleep, Look)

    async def _look(self) -> float:
        """Send on their way those that are due; return when to look again, in seconds."""
        now = self._clock()
        limit = MOST_UNDER_WAY + len(self._under_way)
        for errand in await self._errands.due(now, limit=limit):
            if errand.id in self._under_way:
                continue
            if len(self._under_way) >= MOST_UNDER_WAY:
                break  # whoever comes back makes room
            self._goings += 1
            going = Going(errand, self._errands, self._place, self._clock)
            ref = await self.spawn(going, f"{errand.id}.{self._goings}")
            self._under_way.add(errand.id)
            id_ = errand.id
            self.watch(ref, lambda _, id_=id_: CameBack(id_))  # type: ignore[misc]
            ref.tell(Go())
        due = await self._errands.next_due(now)
        return _LONGEST_SLEEP_S if due is None else min(due - now, _LONGEST_SLEEP_S)
