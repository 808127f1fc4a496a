"""`greenroom serve`: the gateway in this process, and what its first user needs to see."""

import socket
from contextlib import suppress
from functools import partial

import click
import trio

from greenroom.actors.stores.store import Store
from greenroom.http.config import Configuration, TokenAuth
from greenroom.http.logs import open_log
from greenroom.http.serve import serve, stop_on_signal
from greenroom.http.server.listener import open_listener
from greenroom.http.stores import store_of


async def serve_until_signalled(configuration: Configuration) -> bool:
    """Serve until SIGTERM or SIGINT; return False if a second one cut the stopping short.

    Raises:
        CannotListen: the address cannot be had.
        CannotOpen: the store cannot be had.
    """
    gateway = configuration.gateway
    listener = open_listener(gateway.host, gateway.port, gateway.limits)
    try:
        async with store_of(configuration) as store:
            return await _serve(configuration, listener, store)
    finally:
        listener.close()


async def _serve(configuration: Configuration, listener: socket.socket, store: Store) -> bool:
    log = open_log(configuration.logging)
    for key in configuration.ignored:
        log.info("configuration.ignored", key=key.key, line=key.line)
    stop = trio.Event()
    with trio.CancelScope() as hurry:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_on_signal, stop, hurry)
            async with trio.open_nursery() as serving:
                run = partial(serve, configuration, listener, store, log, stop=stop)
                announce(configuration, await serving.start(run))
            nursery.cancel_scope.cancel()
    return not hurry.cancelled_caught


def announce(configuration: Configuration, url: str) -> None:
    """Print where the gateway is, and its generated token, which is shown here and nowhere else."""
    # Whoever closed standard output does not want to know; the gateway serves all the same.
    with suppress(BrokenPipeError):
        _announce(configuration, url)


def _announce(configuration: Configuration, url: str) -> None:
    click.echo(f"Greenroom listens on {url}/v1")
    if configuration.source is None:
        kept = "in memory" if configuration.store is None else f"in {configuration.store}"
        click.echo(
            "No configuration file: the embedded default, with a scripted model, no key, and "
            f"sessions {kept}."
        )
    match configuration.gateway.auth:
        case TokenAuth(secret, source="generated"):
            click.echo("In another terminal, give clients the token of this run:")
            click.echo(f"export OPENCLAW_GATEWAY_TOKEN={secret.reveal()}")
        case _:
            pass
