"""The composition root: from a configuration to a running gateway, and its orderly end.

HTTP accepts no more and lets open requests end, until a deadline; then the actors stop, children
before parents; then the last connections are closed, whose clients have been told. The store outlives
all of it.
"""

import signal
import time
from typing import TYPE_CHECKING

import trio

from greenroom.actors.caretaker import take_care
from greenroom.actors.house import House
from greenroom.actors.stores.store import Store
from greenroom.http.app import create_app
from greenroom.http.config import Configuration
from greenroom.http.listener import Server, base_url
from greenroom.runtime import System

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_ACTORS_GRACE_S = 1.0
_LAST_WORDS_S = 1.0


async def serve(
    configuration: Configuration,
    listener: trio.SocketListener,
    store: Store,
    log: "FilteringBoundLogger",
    *,
    stop: trio.Event,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the gateway on `listener` until `stop` is set; its base URL tells that it is up."""
    gateway = configuration.gateway
    async with trio.open_nursery() as connections:
        async with System("greenroom", grace=_ACTORS_GRACE_S, log=log) as system:
            house = await House.open(system, configuration.house, store)
            server = Server(create_app(house, gateway, log, stop), listener, log)
            connections.start_soon(server.run)
            connections.start_soon(take_care, store, configuration.house.retention, time.time, log)
            host, port, *_ = listener.socket.getsockname()
            url = base_url(host, port)
            log.info("gateway.up", url=url, agents=list(house.agent_ids))
            task_status.started(url)
            await stop.wait()
            log.info("gateway.stopping")
            server.stop()
            if not await server.ended(within=gateway.limits.shutdown):
                log.warning("gateway.deadline", seconds=gateway.limits.shutdown)
            await house.close(_ACTORS_GRACE_S)
        # Whoever was cut short hears of it.
        await server.ended(within=_LAST_WORDS_S)
        connections.cancel_scope.cancel()
    log.info("gateway.down")


async def stop_on_signal(stop: trio.Event, hurry: trio.CancelScope) -> None:
    """Set `stop` at the first SIGTERM or SIGINT, cancel `hurry` at the second."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            if stop.is_set():
                hurry.cancel()
                return
            stop.set()
