"""The settings of MCP servers: how to reach one, what of it is offered, how long it may take."""

import msgspec

from greenroom.actors.settings import Secret


class Stdio(msgspec.Struct, frozen=True):
    """A server that is a child process, and is talked to over its standard input and output.

    It has the variables in `env` besides PATH, HOME, USER, LOGNAME, SHELL and TERM, and no others.
    """

    command: str
    args: tuple[str, ...] = ()
    env: dict[str, Secret] = {}
    cwd: str | None = None


class Http(msgspec.Struct, frozen=True):
    """A server that is talked to over streamable HTTP; `headers` go out with each request."""

    url: str
    headers: dict[str, Secret] = {}


class McpServer(msgspec.Struct, frozen=True):
    """One MCP server.

    Its tools are offered as `<prefix>_<tool>`, where the prefix is the server's name if there is none,
    and nothing if it is empty. `allow` and `deny` are patterns of the tools' own names, with `*` and
    `?`. A call may take `call_seconds`; `start_seconds` is how long the server may take to start, and
    later to list its tools. More than `max_concurrent` calls wait for one another.
    """

    name: str
    transport: Stdio | Http
    prefix: str | None = None
    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    call_seconds: float = 60.0
    start_seconds: float = 30.0
    max_concurrent: int = 64
