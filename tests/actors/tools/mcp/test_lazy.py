"""Who has no MCP server pays nothing for them: the SDK is not imported before the first connection."""

import subprocess
import sys

PROGRAM = """
import sys
import greenroom.http.cli.main
import greenroom.http.serve
import greenroom.actors.tools.mcp.serving
assert not {name.split(".")[0] for name in sys.modules} & {"mcp", "mcp_types", "pydantic", "starlette"}
import greenroom.actors.tools.mcp.connection
assert "mcp" in sys.modules
"""


def test_the_sdk_is_imported_with_the_first_connection_only() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)  # noqa: S603 - our own
