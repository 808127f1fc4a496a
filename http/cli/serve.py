"""`greenroom serve`: the gateway in this process, and what its first user needs to see."""

import gc
import resource
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial

import click
import trio

from greenroom.actors.stores.store import Store
from greenroom.http.config import Configuration, TokenAuth
from greenroom.http.credential import Credential
from greenroom.http.logs import open_log
from greenroom.http.reload import Reloading
from greenroom.http.serve import obey_signals, serve
from greenroom.http.server.listener import open_listener
from greenroom.http.server.tls import Certificate
from greenroom.http.stores import OpenStore, enter_store, store_of

COLLECT_AT = 5_000, 20, 50
"""New objects, and collections of one generation, after which the next one is collected."""


async def serve_until_signalled(
    configuration: Configuration,
    read: Callable[[], Configuration],
    patience: float | None,
    open_store: OpenStore = store_of,
) -> bool:
    """Serve until SIGTERM or SIGINT; return False if a second one cut the stopping short.

    With `patience` the gateway starts beside another one, whose port it shares and for whose store it
    waits so many seconds. `read` reads the configuration again.

    Raises:
        CannotListen: the address cannot be had.
        CannotLoad: the certificate cannot be used.
        CannotOpen: the store cannot be had.
    """
    gateway = configuration.gateway
    certificate = None if gateway.tls is None else Certificate(gateway.tls)
    raise_descriptor_limit()
    listener = open_listener(gateway.host, gateway.port, gateway.limits, share=patience is not None)
    try:
        async with AsyncExitStack() as stack:
            waiting = partial(_announce_waiting, configuration, patience)
            store = await enter_store(
                stack, partial(open_store, configuration), patience or 0, waiting
            )
            return await _serve(configuration, read, listener, store, certificate)
    finally:
        listener.close()


async def _serve(
    configuration: Configuration,
    read: Callable[[], Configuration],
    listener: socket.socket,
    store: Store,
    certificate: Certificate | None,
) -> bool:
    log = open_log(configuration.logging)
    for key in configuration.ignored:
        log.info("configuration.ignored", key=key.key, line=key.line)
    credential = Credential(configuration.gateway.auth, log)
    reloading = Reloading(configuration, read, credential, certificate, log)
    stop = trio.Event()
    with trio.CancelScope() as hurry:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(obey_signals, stop, hurry, reloading.ask)
            async with trio.open_nursery() as serving:
                run = partial(
                    serve,
                    configuration,
                    listener,
                    store,
                    log,
                    stop=stop,
                    credential=credential,
                    certificate=certificate,
                    reloading=reloading,
                )
                url = await serving.start(run)
                settle_collector()
                announce(configuration, url)
            nursery.cancel_scope.cancel()
    return not hurry.cancelled_caught


def settle_collector() -> None:
    """Have the collector look only at what comes from now on, and less often than is usual."""
    # Of a request's CPU time, 64 at once, the first took 12 % away and the second another 9 %.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AT)


def raise_descriptor_limit() -> None:
    """Take as many open files as the system grants: a stream has two, and the usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # some systems say more than they grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _announce_waiting(configuration: Configuration, patience: float | None) -> None:
    with suppress(BrokenPipeError):
        click.echo(
            f"Another gateway has {configuration.store}; waits up to {patience or 0:g} s for its end"
        )


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
