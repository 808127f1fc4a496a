"""`greenroom sessions …`: the commands, each one call of the client."""

from pathlib import Path

import click

from greenroom.http.cli.gateway import GatewayAddress
from greenroom.http.cli.options import CONFIG_HELP, http_url, load_configuration
from greenroom.http.cli.sessions_client import SessionsClient


@click.group()
@click.option(
    "--agent", "agent_id", metavar="ID", help="Agent; default: the key's, or the default one."
)
@click.option(
    "--url", metavar="URL", callback=http_url, help="Gateway; default: the configuration's."
)
@click.option("--token", metavar="SECRET", help="Gateway's token; default: the configuration's.")
@click.option("--config", "path", metavar="FILE", help=CONFIG_HELP)
@click.pass_context
def sessions(
    context: click.Context,
    agent_id: str | None,
    url: str | None,
    token: str | None,
    path: str | None,
) -> None:
    """Look at a running gateway's sessions, and manage them."""
    gateway = GatewayAddress(load_configuration(path, None), url, token)
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
