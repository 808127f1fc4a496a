"""A house whose model answers at once, and a turn in it: what is left is what the house itself costs."""

import logging
import sys
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import structlog
import trio

from bench.store.matter import AGENT, ENDED, QUESTION, ROUTE, TOLD
from bench.store.plan import Subject
from greenroom.actors.channels.channel import Channel, Deltas, Reading
from greenroom.actors.entries import Prompt
from greenroom.actors.house import House, new_id
from greenroom.actors.selection import Selection
from greenroom.actors.settings import (
    AgentSettings,
    HouseSettings,
    ModelSettings,
    ProviderSettings,
    SessionLimits,
)
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.store import Store
from greenroom.actors.turn import TurnEnded, TurnEvent, TurnRequest
from greenroom.runtime import System

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_WINDOW = 1_000_000_000
"""Tokens: a window that is known, so that the work for it is done, and that nothing outgrows."""


class NotAnswered(Exception):  # noqa: N818 - a fact about the house
    """A turn ended otherwise than it does."""


class _AtOnce(Channel):
    """Gives the answer in one batch and the end in another, each after a look at its neighbours."""

    def open(self, prompt: Prompt) -> "_Answer":
        if prompt.entries[-1] != QUESTION:
            raise NotAnswered
        return _Answer()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


class _Answer(Reading):
    def __init__(self) -> None:
        self._batches = iter((TOLD, ENDED))

    async def __aenter__(self) -> "_Answer":
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return

    async def __anext__(self) -> Deltas:
        await trio.lowlevel.checkpoint()
        batch = next(self._batches, None)
        if batch is None:
            raise StopAsyncIteration
        return batch


def store_of(subject: Subject, folder: Path) -> AbstractAsyncContextManager[SqliteStore]:
    """Return the store that a subject's turns are kept in; who keeps none is given one all the same."""
    return (
        SqliteStore.open(folder / "store.db") if subject == "durable" else SqliteStore.in_memory()
    )


def a_system() -> System:
    """Return a system that logs as in production, from info on."""
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return System(log=log)


async def a_house(system: System, store: Store, limits: SessionLimits) -> House:
    """Open a house of one agent and one model."""
    models = (ModelSettings(ROUTE.model, context_window=_WINDOW),)
    settings = HouseSettings(
        agents=(AgentSettings(AGENT, str(ROUTE), instructions="Be brief."),),
        default_agent=AGENT,
        providers=(ProviderSettings(ROUTE.provider, "scripted", models=models),),
        sessions=limits,
    )
    return await House.open(system, settings, store, lambda _: _AtOnce())


async def take_turn(house: House, session: str | None) -> None:
    """Take one turn, to its end; without a session it is a stateless one.

    Its client sends what is new, and has no key of its own.
    """
    id_ = new_id()
    selection = Selection(AGENT, session or id_, ephemeral=session is None, route=ROUTE)
    turn = TurnRequest(
        id_,
        ROUTE,
        (QUESTION,),
        ephemeral=session is None,
        streamed=True,
        model="greenroom",
        created=int(time.time()),
    )
    last: TurnEvent | None = None
    async with house.submit(selection, turn) as events:
        async for event in events:
            last = event
    if not isinstance(last, TurnEnded):
        raise NotAnswered
