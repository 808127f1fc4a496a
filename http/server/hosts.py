"""Which names a gateway answers for. Pure.

A page of another site can make its own name mean this machine (DNS rebinding), and its browser then
takes the gateway for that site; but it says so, in `host`. So a gateway on loopback answers for
loopback's names alone, and for those that it was told. On another address it cannot know its names.
"""

from collections.abc import Iterable
from ipaddress import ip_address

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Hosts:
    """The names that count; `bound` is the address that is listened on, `named` were told.

    One that begins with `*.` stands for every name below it, `*` for all.
    """

    def __init__(self, bound: str, named: Iterable[str] = ()) -> None:
        names = {name.lower().strip("[]") for name in named}
        self._all = "*" in names or (not names and not ip_address(bound).is_loopback)
        self._below = tuple(name[1:] for name in names if name.startswith("*."))
        self._names = names | {bound, *_LOOPBACK}
        self._known: set[str] = set()
        """The values of `host` that were found good before, port included."""

    def answer_for(self, host: str) -> bool:
        """Tell whether a request with this `host` is for this gateway."""
        if self._all or host in self._known:
            return True
        name = name_of(host)
        good = name in self._names or any(name.endswith(below) for below in self._below)
        if good and len(self._known) < 64:
            self._known.add(host)
        return good


def name_of(host: str) -> str:
    """Return the name in a `host`: without its port, and as names compare."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].removesuffix(".").lower()
