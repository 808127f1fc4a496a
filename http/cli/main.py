"""The command line: thin, arguments in and one call out.

A user's mistake is one line on standard error and exit status 2; what was asked and failed is status 1.
"""

import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version

import click
import trio

from greenroom.actors.stores.store import CannotOpen
from greenroom.http.cli.agent import TurnOrder, run_locally, run_through_gateway
from greenroom.http.cli.errands import errands
from greenroom.http.cli.options import CONFIG_HELP, STORE_HELP, http_url, load_configuration
from greenroom.http.cli.problem import Problem
from greenroom.http.cli.program import Program
from greenroom.http.cli.serve import serve_until_signalled
from greenroom.http.cli.sessions import sessions
from greenroom.http.cli.store import store
from greenroom.http.config import ConfigurationError
from greenroom.http.server.listener import CannotListen
from greenroom.http.server.tls import CannotLoad


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("greenroom"), prog_name="greenroom")
def cli() -> None:
    """Greenroom: an actor-based runtime for long-lived agents, with an OpenAI-compatible API."""


@cli.command()
@click.argument("program", required=False)
@click.option("--config", "path", metavar="FILE", help=CONFIG_HELP)
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one."
)
@click.option("--store", "file", metavar="PATH", help=STORE_HELP)
@click.option(
    "--wait-for-store",
    "patience",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Start beside a gateway that is about to stop: share its port, and wait for its store.",
)
def serve(
    program: str | None,
    path: str | None,
    port: int | None,
    file: str | None,
    patience: float | None,
) -> None:
    """Run the gateway until SIGINT or SIGTERM, with the agents of PROGRAM, a Python file.

    SIGHUP reloads its agents and providers, its secret and its certificate.

    Without a configuration file it starts on an embedded default: loopback only, a generated token,
    a scripted model that needs no key, and sessions in memory.
    """
    read = partial(load_configuration, path, port, file)
    configuration = read()
    if patience is not None and configuration.store is None:
        raise Problem("there is no store to wait for; name one with --store", 2)
    if program is not None:
        loaded = Program(program)
        configuration, read = loaded.added_to(configuration), partial(loaded.read_with, read)
    try:
        if not trio.run(serve_until_signalled, configuration, read, patience):
            raise KeyboardInterrupt
    except CannotListen as error:
        raise Problem(f"{error}; choose another port with --port or gateway.port", 2) from None
    except CannotLoad as error:
        raise Problem(str(error), 2) from None


@cli.command()
@click.option("--agent", "agent_id", metavar="ID", help="Agent; default: the default agent.")
@click.option("--session-key", metavar="KEY", help="Session; default: agent:<id>:main.")
@click.option("--message", "-m", required=True, help="What to say; - reads standard input.")
@click.option("--model", metavar="PROVIDER/MODEL", help="Model instead of the agent's own.")
@click.option("--local", is_flag=True, help="Run in this process instead of through the gateway.")
@click.option(
    "--url",
    metavar="URL",
    callback=http_url,
    help="Gateway; default: the configuration's host and port.",
)
@click.option("--token", metavar="SECRET", help="Gateway's token; default: the configuration's.")
@click.option("--config", "path", metavar="FILE", help=CONFIG_HELP)
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
    configuration = load_configuration(path)
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
@click.option("--config", "path", metavar="FILE", help=CONFIG_HELP)
def check(path: str | None) -> None:
    """Say whether the configuration can be used, and what in it is ignored."""
    configuration = load_configuration(path)
    source = configuration.source or "no configuration file, the embedded default"
    for key in configuration.ignored:
        click.echo(f"{source}:{key.line}: {key.key}: ignored, it means nothing here")
    house = configuration.house
    click.echo(
        f"{source}: ok; agents {', '.join(agent.id for agent in house.agents)}; "
        f"providers {', '.join(provider.id for provider in house.providers)}"
    )


cli.add_command(errands)
cli.add_command(sessions)
cli.add_command(store)


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
    except (Problem, CannotOpen) as problem:
        click.echo(f"greenroom: {problem}", err=True)
        return problem.status if isinstance(problem, Problem) else 2
    except (KeyboardInterrupt, click.Abort):
        return 130
    return 0


def main() -> None:
    """Run the command that the process was started with."""
    sys.exit(run(sys.argv[1:]))
