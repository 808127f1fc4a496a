"""What a server's tools are called here, and which of them are offered. Pure."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from hashlib import sha256

from greenroom.actors.tools.mcp.peer import Listed
from greenroom.actors.tools.mcp.settings import McpServer

LONGEST = 64
"""Characters of a tool's name, of those that every model's API takes."""

_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")


def offered(settings: McpServer, tools: Sequence[Listed]) -> Iterator[tuple[str, Listed]]:
    """Give each tool that is offered, with the name that it has here.

    A name never depends on the other tools that there are: a tool keeps its name when others come
    and go. Of two tools of one name the first counts.
    """
    prefix = settings.name if settings.prefix is None else settings.prefix
    seen: set[str] = set()
    for tool in tools:
        if _matches(tool.name, settings.allow) and not _matches(tool.name, settings.deny):
            name = fit(f"{prefix}_{tool.name}" if prefix else tool.name)
            if name not in seen:
                seen.add(name)
                yield name, tool


def fit(name: str) -> str:
    """Return a name that can be a tool's: itself if it can, else one that no other name becomes."""
    fitting = _UNFIT.sub("_", name)
    if fitting == name and 0 < len(name) <= LONGEST:
        return name
    mark = sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{fitting[: LONGEST - len(mark) - 1]}_{mark}"


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
