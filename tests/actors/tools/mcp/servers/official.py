"""An MCP server made with the official SDK: on standard input and output, or on a port of loopback."""

import asyncio
import os
import sys

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("official")


@server.tool()
def echo(text: str) -> str:
    """Say it again."""
    return text


@server.tool()
def pid() -> str:
    """Tell the process."""
    return str(os.getpid())


@server.tool()
def count(text: str) -> dict[str, int]:
    """Count the letters."""
    return {letter: text.count(letter) for letter in sorted(set(text))}


@server.tool()
def fail() -> str:
    """Do not."""
    raise ValueError("there is no such cat")


@server.tool()
async def hang() -> str:
    """Take for ever."""
    await asyncio.sleep(1000)
    return "?"


@server.tool()
async def learn(name: str, ctx: Context) -> str:
    """Have one tool more."""
    server.add_tool(lambda: "new", name=name, description="A new one.")
    await ctx.notify_tools_changed()
    await ctx.request_context.session.send_tool_list_changed()
    return "learned"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        app = server.streamable_http_app(stateless_http="stateless" in sys.argv)
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
    else:
        server.run("stdio")
