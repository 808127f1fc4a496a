"""The MCP servers, and which of them an agent has."""

from pathlib import Path
from urllib.parse import urlsplit

from greenroom.actors.settings import AgentSettings
from greenroom.actors.tools.mcp.settings import Http, McpServer, Stdio
from greenroom.http.config import schema
from greenroom.http.config.find import expand
from greenroom.http.config.findings import Findings
from greenroom.http.config.nodes import KeyPath

_SERVERS: KeyPath = ("mcp", "servers")


def resolve_mcp(
    mcp: schema.Mcp, source: Path | None, home: Path, findings: Findings
) -> tuple[McpServer, ...]:
    """Return the servers; a folder that is not absolute starts at that of the file `source`."""
    return tuple(
        McpServer(
            name=name,
            transport=_transport(server, (*_SERVERS, name), source, home, findings),
            prefix=server.prefix,
            allow=server.tools.allow,
            deny=server.tools.deny,
            call_seconds=server.call_seconds,
            start_seconds=server.start_seconds,
            max_concurrent=server.max_concurrent,
        )
        for name, server in mcp.servers.items()
    )


def check_mcp(
    agents: tuple[AgentSettings, ...],
    servers: tuple[McpServer, ...],
    paths: dict[str, KeyPath],
    findings: Findings,
) -> None:
    """Find servers that agents name and nobody has."""
    known = [server.name for server in servers]
    for agent in agents:
        for index, name in enumerate(agent.mcp or ()):
            if name not in known:
                path = (*paths.get(agent.id, ("agents", "defaults")), "mcp", index)
                what = ", ".join(known) or "none"
                findings.problem(path, f"no such MCP server; there are: {what}")


def _transport(
    server: schema.McpServerSection,
    path: KeyPath,
    source: Path | None,
    home: Path,
    findings: Findings,
) -> Stdio | Http:
    if (server.command is None) == (server.url is None):
        findings.problem(path, "has either a command or a url")
        return Stdio("")
    if server.url is not None:
        parts = urlsplit(server.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            findings.problem((*path, "url"), "is no http or https URL")
        return Http(server.url, server.headers)
    folder = Path() if source is None else source.parent
    cwd = None if server.cwd is None else str(folder / expand(server.cwd, home))
    return Stdio(server.command or "", server.args, server.env, cwd)
