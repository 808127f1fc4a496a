"""`greenroom errands …`: what a running gateway's sessions wait for, over its HTTP API."""

import time
from typing import Any
from urllib.parse import quote

import click

from greenroom.http.cli.gateway import GatewayAddress
from greenroom.http.cli.options import CONFIG_HELP, http_url, load_configuration
from greenroom.http.cli.problem import Problem

_TIME_LIMIT_S = 30.0


@click.group()
@click.option(
    "--url", metavar="URL", callback=http_url, help="Gateway; default: the configuration's."
)
@click.option("--token", metavar="SECRET", help="Gateway's token; default: the configuration's.")
@click.option("--config", "path", metavar="FILE", help=CONFIG_HELP)
@click.pass_context
def errands(context: click.Context, url: str | None, token: str | None, path: str | None) -> None:
    """Look at what sessions wait for: approvals, reminders, other agents' answers; decide approvals."""
    context.obj = GatewayAddress(load_configuration(path, None), url, token)


@errands.command("list")
@click.option("--session-key", metavar="KEY", help="Only this session's.")
@click.pass_obj
def list_errands(gateway: GatewayAddress, session_key: str | None) -> None:
    """List them, in the order of their ids."""
    parameters = {} if session_key is None else {"session": session_key}
    while True:
        page = _json(gateway, "GET", "", parameters)
        for errand in page["data"]:
            _print(errand)
        if not page["has_more"]:
            return
        parameters["after"] = page["next"]


@errands.command()
@click.argument("errand")
@click.option("--by", default="the operator", metavar="NAME", help="Who says so.")
@click.option("--reason", metavar="TEXT", help="Why; the model is told.")
@click.pass_obj
def approve(gateway: GatewayAddress, errand: str, by: str, reason: str | None) -> None:
    """Let a tool's call happen that waits for a yes."""
    _decide(gateway, errand, {"approves": True, "by": by, "reason": reason})


@errands.command()
@click.argument("errand")
@click.option("--by", default="the operator", metavar="NAME", help="Who says so.")
@click.option("--reason", metavar="TEXT", help="Why; the model is told.")
@click.pass_obj
def decline(gateway: GatewayAddress, errand: str, by: str, reason: str | None) -> None:
    """Do not let it happen."""
    _decide(gateway, errand, {"approves": False, "by": by, "reason": reason})


@errands.command("call-off")
@click.argument("errand")
@click.pass_obj
def call_off(gateway: GatewayAddress, errand: str) -> None:
    """Have a session wait for something no more, and hear nothing of it."""
    _json(gateway, "DELETE", _path(errand))
    click.echo("called off")


def _decide(gateway: GatewayAddress, errand: str, decision: dict[str, Any]) -> None:
    _json(gateway, "POST", f"{_path(errand)}/decision", json=decision)
    click.echo("approved" if decision["approves"] else "declined")


def _path(errand: str) -> str:
    return "/" + quote(errand, safe="")


def _print(errand: dict[str, Any]) -> None:
    what = errand["what"]
    due = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(errand["due_at"]))
    match what["kind"]:
        case "approval":
            text = f"{what['tool']} {what['arguments']}"
        case "question":
            text = f"{what['agent']}: {what['text']}"
        case _:
            text = what["text"]
    line = f"{errand['id']}  {what['kind']}  {due}  {errand['session']}  {text}"
    # Models have written some of it: what could move a terminal's cursor is not shown as it is.
    click.echo("".join(letter if letter.isprintable() else "\N{MIDDLE DOT}" for letter in line))


def _json(
    gateway: GatewayAddress,
    method: str,
    path: str,
    parameters: dict[str, str] | None = None,
    json: object = None,
) -> Any:
    import httpx2  # noqa: PLC0415 - 3 MB, which the gateway itself does without

    url = f"{gateway.url}/v1/errands{path}"
    try:
        with httpx2.Client(trust_env=False, timeout=_TIME_LIMIT_S) as client:
            answer = client.request(
                method, url, params=parameters, json=json, headers=gateway.headers
            )
    except httpx2.TransportError:
        raise Problem(gateway.unreachable, 1) from None
    if answer.is_success:
        return answer.json()
    raise Problem(gateway.explain(answer), 1)
