"""`greenroom agent`: one turn from the terminal, through the gateway or in this process.

Both are the same run: the gateway turns a request into the very submission that is made here.
"""

from collections.abc import Iterable

import click
import msgspec
import trio

from greenroom.actors.channels.channel import Deltas, TextDelta, ToolCallArguments, ToolCallStart
from greenroom.actors.channels.http_channel import HttpChannel
from greenroom.actors.entries import Prompt, UserEntry
from greenroom.actors.failure import UNREACHABLE, FailureKind, TurnFailed
from greenroom.actors.house import House, new_id
from greenroom.actors.selection import Wish, main_session
from greenroom.actors.settings import ProviderSettings
from greenroom.actors.turn import Progress, TurnRequest
from greenroom.http.cli.gateway import GatewayAddress
from greenroom.http.config import Configuration
from greenroom.http.logs import open_log
from greenroom.http.stores import store_of
from greenroom.runtime import System

_TOOLS_PATIENCE_S = 30.0
"""How long a turn waits for servers of tools to be up."""

DEFAULT_AGENT = "openclaw"
"""The model field that means the default agent, and that agent's own model."""


class TurnOrder(msgspec.Struct, frozen=True):
    """What to say, to whom; None leaves it to the default."""

    agent: str | None
    session: str | None
    message: str
    model: str | None


async def run_locally(configuration: Configuration, order: TurnOrder) -> str | None:
    """Run the turn in this process; return what went wrong, None if nothing did."""
    screen = Screen()
    quiet = msgspec.structs.replace(configuration.logging, level="error")
    try:
        async with (
            store_of(configuration) as store,
            System("greenroom", log=open_log(quiet)) as system,
        ):
            house = await House.open(
                system, configuration.house, store, mcp=configuration.mcp, runs_errands=False
            )
            with trio.move_on_after(_TOOLS_PATIENCE_S):
                await house.servers.settled()
            selection = house.select(
                Wish(
                    DEFAULT_AGENT,
                    agent=order.agent,
                    session_key=order.session or _main_session(configuration, order),
                    override=order.model,
                )
            )
            turn = TurnRequest(
                id=new_id(),
                route=selection.route,
                fallbacks=selection.fallbacks,
                is_own=selection.is_own,
                entries=(UserEntry(order.message),),
                streamed=True,
            )
            async with house.submit(selection, turn) as events:
                async for event in events:
                    if isinstance(event, Progress):
                        screen.show(event.deltas)
    except TurnFailed as failed:
        return failed.failure.message
    finally:
        screen.end_line()
    return None


async def run_through_gateway(
    configuration: Configuration, order: TurnOrder, url: str | None, token: str | None
) -> str | None:
    """Run the turn in the gateway; return what went wrong, None if nothing did."""
    gateway = GatewayAddress(configuration, url, token)
    headers = {"x-openclaw-session-key": order.session or _main_session(configuration, order)}
    if order.agent is not None:
        headers["x-openclaw-agent-id"] = order.agent
    if order.model is not None:
        headers["x-openclaw-model"] = order.model
    settings = ProviderSettings(
        "gateway",
        "openai-completions",
        base_url=f"{gateway.url}/v1",
        api_key=gateway.secret,
        headers=headers,
    )
    screen = Screen()
    channel = HttpChannel(settings)
    prompt = Prompt(DEFAULT_AGENT, (UserEntry(order.message),))
    try:
        async with channel.open(prompt) as batches:
            async for deltas in batches:
                screen.show(deltas)
    except TurnFailed as failed:
        return _explain(failed, gateway)
    finally:
        screen.end_line()
        await channel.aclose()
    return None


def _main_session(configuration: Configuration, order: TurnOrder) -> str:
    return main_session(order.agent or configuration.house.default_agent)


def _explain(failed: TurnFailed, gateway: GatewayAddress) -> str:
    failure = failed.failure
    if failure.kind is FailureKind.UPSTREAM_AUTHENTICATION:
        return gateway.refused
    if failure.code == UNREACHABLE:
        return f"{gateway.unreachable}, or use --local"
    return failure.message


class Screen:
    """Standard output, word by word, with one line break at the end of what was shown."""

    def __init__(self) -> None:
        self._has_text = False

    def show(self, deltas: Deltas) -> None:
        """Print a batch."""
        text = "".join(_shown(deltas))
        self._has_text = self._has_text or bool(text)
        click.echo(text, nl=False)

    def end_line(self) -> None:
        """End the line, if there is one."""
        if self._has_text:
            click.echo()


def _shown(deltas: Deltas) -> Iterable[str]:
    for delta in deltas:
        match delta:
            case TextDelta(text):
                yield text
            case ToolCallStart(name=name):
                yield f"\n[tool call] {name} "
            case ToolCallArguments(fragment=fragment):
                yield fragment
            case _:
                continue
