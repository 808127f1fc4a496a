"""The composition root: from a configuration to a running gateway, and its orderly end.

HTTP accepts no more and lets open requests end, and turns that go on without a client, until a deadline;
then the actors stop, children before parents; then the last connections are closed, whose clients have
been told. The store outlives all of it.
"""

import signal
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from greenroom.actors.caretaker import take_care
from greenroom.actors.house import House
from greenroom.actors.stores.store import Store
from greenroom.http.app import create_app
from greenroom.http.config import Configuration
from greenroom.http.credential import Credential
from greenroom.http.reload import Reloading
from greenroom.http.server.listener import Server, base_url
from greenroom.http.server.tls import Certificate, follow
from greenroom.runtime import System

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_ACTORS_GRACE_S = 1.0
_LAST_WORDS_S = 1.0


async def serve(
    configuration: Configuration,
    listener: socket.socket,
    store: Store,
    log: "FilteringBoundLogger",
    *,
    stop: trio.Event,
    credential: Credential | None = None,
    certificate: Certificate | None = None,
    reloading: Reloading | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the gateway on `listener` until `stop` is set; its base URL tells that it is up.

    `credential` and `certificate` are those that may change meanwhile, with TLS if there is one;
    `reloading` takes over the rest of a changed configuration, until the stop.
    """
    gateway = configuration.gateway
    async with trio.open_nursery() as connections:
        async with System("greenroom", grace=_ACTORS_GRACE_S, log=log) as system:
            house = await House.open(system, configuration.house, store, mcp=configuration.mcp)
            app = create_app(house, gateway, log, credential, stop)
            server = Server(
                app,
                listener,
                log,
                gateway.limits,
                http1=gateway.http1,
                certificate=certificate,
            )
            connections.start_soon(server.run)
            if certificate is not None:
                connections.start_soon(follow, certificate, log)
            connections.start_soon(
                take_care, store, lambda: house.settings.retention, time.time, log
            )
            if reloading is not None:
                connections.start_soon(reloading.obey, house.take, stop)
            host, port, *_ = listener.getsockname()
            url = base_url(host, port, secure=certificate is not None)
            log.info("gateway.up", url=url, agents=list(house.agent_ids))
            task_status.started(url)
            await stop.wait()
            log.info("gateway.stopping")
            server.stop()
            with trio.move_on_after(gateway.limits.shutdown) as deadline:
                await server.ended()
                await house.calm()
            if deadline.cancelled_caught:
                log.warning("gateway.deadline", seconds=gateway.limits.shutdown)
            server.cut_bodies()
            await house.close(_ACTORS_GRACE_S)
        # Whoever was cut short hears of it.
        with trio.move_on_after(_LAST_WORDS_S):
            await server.ended()
        connections.cancel_scope.cancel()
    log.info("gateway.down")


async def obey_signals(
    stop: trio.Event, hurry: trio.CancelScope, reload: Callable[[], None]
) -> None:
    """Set `stop` at the first SIGTERM or SIGINT, cancel `hurry` at the second; reload at SIGHUP."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for number in signals:
            if number == signal.SIGHUP:
                reload()
            elif stop.is_set():
                hurry.cancel()
                return
            else:
                stop.set()
