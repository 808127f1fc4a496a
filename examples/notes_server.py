"""A server of tools, of the Model Context Protocol, made with its SDK.

    python examples/notes_server.py          over standard input and output
    python examples/notes_server.py 8100     over HTTP, at http://127.0.0.1:8100/mcp

In greenroom.json5, the first form is

    { mcp: { servers: { notes: { command: "python", args: ["notes_server.py"] } } } }
"""

import sys

from mcp.server.mcpserver import MCPServer

NOTES: list[str] = []

server = MCPServer("notes")


@server.tool()
def write(text: str) -> str:
    """Write a note down."""
    NOTES.append(text)
    return f"There are {len(NOTES)} notes."


@server.tool()
def read() -> str:
    """Read all notes."""
    return "\n".join(NOTES) or "There is no note."


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run("stdio")
