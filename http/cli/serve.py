"""`greenroom serve`: the gateway in this process, and what its first user needs to see."""

from functools import partial

import click
import trio

from greenroom.http.config import Configuration, TokenAuth
from greenroom.http.logs import open_log
from greenroom.http.serve import serve, set_on_signal


async def serve_until_signalled(configuration: Configuration) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        OSError: the address cannot be listened on.
    """
    log = open_log(configuration.logging)
    for key in configuration.ignored:
        log.info("configuration.ignored", key=key.key, line=key.line)
    stop = trio.Event()
    failed: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(set_on_signal, stop)
            url = await nursery.start(partial(serve, configuration, log, stop=stop))
            announce(configuration, url)
    except* OSError as group:
        failed = group.exceptions[0]
    if isinstance(failed, OSError):
        raise failed


def announce(configuration: Configuration, url: str) -> None:
    """Print where the gateway is, and its generated token, which is shown here and nowhere else."""
    click.echo(f"Greenroom listens on {url}/v1")
    if configuration.source is None:
        click.echo("No configuration file: the embedded default, with a scripted model and no key.")
    match configuration.gateway.auth:
        case TokenAuth(secret, source="generated"):
            click.echo("In another terminal, give clients the token of this run:")
            click.echo(f"export OPENCLAW_GATEWAY_TOKEN={secret.reveal()}")
        case _:
            pass
