"""Which tools an agent has: those of its hosts that its policy allows, by name."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from greenroom.actors.tools.tool import InnerTool, ToolHost


class ToolPolicy(msgspec.Struct, frozen=True):
    """What an agent may do with tools; patterns are of names, with `*` and `?`.

    What is not allowed, or is denied, is not there. What matches `approve` needs a person's yes.
    """

    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    approve: tuple[str, ...] = ()


class Toolbox:
    """An agent's tools; of two of one name the first host's counts."""

    __slots__ = ("_hosts", "_policy")

    def __init__(self, hosts: Sequence[ToolHost] = (), policy: ToolPolicy | None = None) -> None:
        self._hosts = tuple(hosts)
        self._policy = policy or ToolPolicy()

    def tools(self) -> Mapping[str, InnerTool]:
        """Return what there is now."""
        found: dict[str, InnerTool] = {}
        for host in self._hosts:
            for tool in host.tools():
                if tool.name not in found and self._allows(tool.name):
                    found[tool.name] = self._checked(tool)
        return found

    def _allows(self, name: str) -> bool:
        return _matches(name, self._policy.allow) and not _matches(name, self._policy.deny)

    def _checked(self, tool: InnerTool) -> InnerTool:
        if tool.needs_approval or not _matches(tool.name, self._policy.approve):
            return tool
        return msgspec.structs.replace(tool, needs_approval=True)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
