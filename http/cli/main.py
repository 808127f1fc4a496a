"""The command line: `serve`, `agent`, `sessions`, `config`. Thin: arguments in, one function called.

A user's mistake is one line on standard error and exit status 2; a turn that failed is status 1.
"""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import click
import trio

from greenroom.http.cli.agent import TurnOrder, run_locally, run_through_gateway
from greenroom.http.cli.gateway import GatewayAddress
from greenroom.http.cli.problem import Problem
from greenroom.http.cli.serve import serve_until_signalled
from greenroom.http.cli.sessions import SessionsClient
from greenroom.http.config import Configuration, ConfigurationError, load
from greenroom.http.listener import CannotListen

_CONFIG_HELP = "Configuration file; default: $GREENROOM_CONFIG, then ./greenroom.json5, …"


def _http_url(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise click.BadParameter("expected a URL like http://127.0.0.1:18789.")
    return value


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("greenroom"), prog_name="greenroom")
def cli() -> None:
    """Greenroom: an actor-based runtime for long-lived agents, with an OpenAI-compatible API."""


@cli.command()
@click.option("--config", "path", metavar="FILE", help=_CONFIG_HELP)
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one."
)
def serve(path: str | None, port: int | None) -> None:
    """Run the gateway until SIGINT or SIGTERM.

    Without a configuration file it starts on an embedded default: loopback only, a generated token,
    and a scripted model that needs no key.
    """
    configuration = _load(path, port)
    try:
        if not trio.run(serve_until_signalled, configuration):
            raise KeyboardInterrupt
    except CannotListen as error:
        raise Problem(f"{error}; choose another port with --port or gateway.port", 2) from None


@cli.command()
@click.option("--agent", "agent_id", metavar="ID", help="Agent; default: the default agent.")
@click.option("--session-key", metavar="KEY", help="Session; default: agent:<id>:main.")
@click.option("--message", "-m", required=True, help="What to say; - reads standard input.")
@click.option("--model", metavar="PROVIDER/MODEL", help="Model instead of the agent's own.")
@click.option("--local", is_flag=True, help="Run in this process instead of through the gateway.")
@click.option(
    "--url",
    metavar="URL",
    callback=_http_url,
    help="Gateway; default: the configuration's host and port.",
)
@click.option("--token", metavar="SECRET", help="Gateway's token; default: the configuration's.")
@click.option("--config", "path", metavar="FILE", help=_CONFIG_HELP)
def agent(
    agent_id: str | None,
    session_key: str | None,
    message: str,
    model: str | None,
    local: bool,
    url: str | None,
    token: str | None,
    path: str | None,
) -> None:
    """Say one thing to an agent and print its answer as it comes."""
    if message == "-":
        message = sys.stdin.buffer.read().decode(errors="surrogateescape")
    try:
        message.encode()
    except UnicodeEncodeError:
        raise Problem("the message is not UTF-8 text", 2) from None
    configuration = _load(path, None)
    order = TurnOrder(agent_id, session_key, message, model)
    if local:
        failure = trio.run(run_locally, configuration, order)
    else:
        failure = trio.run(run_through_gateway, configuration, order, url, token)
    if failure is not None:
        raise Problem(failure, 1)


@cli.group()
def config() -> None:
    """Work with the configuration file."""


@config.command()
@click.option("--config", "path", metavar="FILE", help=_CONFIG_HELP)
def check(path: str | None) -> None:
    """Say whether the configuration can be used, and what in it is ignored."""
    configuration = _load(path, None)
    source = configuration.source or "no configuration file, the embedded default"
    for key in configuration.ignored:
        click.echo(f"{source}:{key.line}: {key.key}: ignored, it means nothing here")
    house = configuration.house
    click.echo(
        f"{source}: ok; agents {', '.join(agent.id for agent in house.agents)}; "
        f"providers {', '.join(provider.id for provider in house.providers)}"
    )


@cli.group()
@click.option(
    "--agent", "agent_id", metavar="ID", help="Agent; default: the key's, or the default one."
)
@click.option(
    "--url", metavar="URL", callback=_http_url, help="Gateway; default: the configuration's."
)
@click.option("--token", metavar="SECRET", help="Gateway's token; default: the configuration's.")
@click.option("--config", "path", metavar="FILE", help=_CONFIG_HELP)
@click.pass_context
def sessions(
    context: click.Context,
    agent_id: str | None,
    url: str | None,
    token: str | None,
    path: str | None,
) -> None:
    """Look at a running gateway's sessions, and manage them."""
    gateway = GatewayAddress(_load(path, None), url, token)
    context.obj = SessionsClient(gateway, agent_id)


@sessions.command("list")
@click.option("--prefix", default="", metavar="TEXT", help="Only keys that begin so.")
@click.option("--limit", type=click.IntRange(1), default=100, help="At most so many; default: 100.")
@click.pass_obj
def list_sessions(client: SessionsClient, prefix: str, limit: int) -> None:
    """List sessions, the last active first."""
    client.list(prefix, limit)


@sessions.command("show")
@click.argument("key")
@click.pass_obj
def show_session(client: SessionsClient, key: str) -> None:
    """Show one session's state."""
    client.show(key)


@sessions.command("transcript")
@click.argument("key")
@click.option("--cut", is_flag=True, help="Show what was cut as well.")
@click.pass_obj
def show_transcript(client: SessionsClient, key: str, cut: bool) -> None:
    """Show what was said."""
    client.transcript(key, cut=cut)


@sessions.command("cancel")
@click.argument("key")
@click.pass_obj
def cancel_turn(client: SessionsClient, key: str) -> None:
    """End the turn that runs, and those that wait."""
    client.cancel(key)


@sessions.command("reset")
@click.argument("key")
@click.pass_obj
def reset_session(client: SessionsClient, key: str) -> None:
    """Begin a session's transcript anew."""
    client.reset(key)


@sessions.command("delete")
@click.argument("key")
@click.pass_obj
def delete_session(client: SessionsClient, key: str) -> None:
    """Delete a session, with all that was said."""
    client.delete(key)


@sessions.command("export")
@click.argument("key")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def export_session(client: SessionsClient, key: str, file: Path | None) -> None:
    """Write a session as JSON Lines, to FILE or standard output."""
    client.export(key, file)


@sessions.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", metavar="KEY", help="Another key than the export's own.")
@click.pass_obj
def import_session(client: SessionsClient, file: Path, key: str | None) -> None:
    """Make a session of an export."""
    client.restore(file, key)


def _load(path: str | None, port: int | None) -> Configuration:
    return load(path=path, port=port, environ=os.environ, cwd=Path.cwd(), home=Path.home())


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    try:
        cli.main(args=list(arguments), prog_name="greenroom", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        click.echo(f"greenroom: {error.format_message()}", err=True)
        return 2
    except ConfigurationError as error:
        click.echo("\n".join(f"greenroom: {problem}" for problem in error.problems), err=True)
        return 2
    except Problem as problem:
        click.echo(f"greenroom: {problem}", err=True)
        return problem.status
    except (KeyboardInterrupt, click.Abort):
        return 130
    return 0


def main() -> None:
    """Run the command that the process was started with."""
    sys.exit(run(sys.argv[1:]))
