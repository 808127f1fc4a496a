"""The composition root: from a configuration to a running gateway, and its orderly end.

HTTP stops first and lets open requests end, then the actors stop, children before parents.
"""

import signal
from typing import TYPE_CHECKING

import trio

from greenroom.actors.house import House
from greenroom.http.app import create_app
from greenroom.http.config import Configuration
from greenroom.http.listener import base_url, open_listener, serve_app
from greenroom.runtime import System

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_ACTORS_GRACE_S = 5.0


async def serve(
    configuration: Configuration,
    log: "FilteringBoundLogger",
    *,
    stop: trio.Event | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the gateway until `stop` is set, for ever without one; its base URL tells that it is up.

    Raises:
        OSError: the address cannot be listened on.
    """
    gateway = configuration.gateway
    listener = await open_listener(gateway.host, gateway.port)
    async with System("greenroom", grace=_ACTORS_GRACE_S, log=log) as system:
        house = await House.open(system, configuration.house)
        app = create_app(house, gateway, log)
        host, port, *_ = listener.socket.getsockname()
        url = base_url(host, port)
        log.info("gateway.up", url=url, agents=list(house.agent_ids))
        task_status.started(url)
        await serve_app(
            app,
            listener,
            log,
            stop=trio.Event() if stop is None else stop,
            grace=gateway.limits.shutdown,
        )
        log.info("gateway.stopping")
    log.info("gateway.down")


async def set_on_signal(stop: trio.Event) -> None:
    """Set `stop` at the first SIGTERM or SIGINT; the second SIGINT is the interpreter's own."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            stop.set()
            return
