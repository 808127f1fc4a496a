"""Which transport an upstream gets: the direct one, unless a proxy is or may be in between.

The environment says so (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, in capitals or not), by
the rules of `httpx2`. Only its usual forms are read here: whatever else may stand there is left to
`httpx2`, which asks directly where its rules want that. So a doubt costs some time, and never sends a
request past a proxy.
"""

import ipaddress
import string
from urllib.request import getproxies

from greenroom.actors.channels.transport.address import Origin, address_of
from greenroom.actors.channels.transport.direct import Direct
from greenroom.actors.channels.transport.tls import shared_context
from greenroom.actors.channels.transport.transport import Transport
from greenroom.actors.settings import TimeLimits

_NAME_LETTERS = frozenset(f"{string.ascii_lowercase}{string.digits}-_.")


def transport_to(url: str, provider: str, limits: TimeLimits) -> Transport:
    """Return a transport to the server of `url`; `provider` is its id, for messages.

    The environment is read here, once.
    """
    try:
        origin = address_of(url).origin
    except ValueError:
        return Direct(provider, limits)  # which will say that it cannot be asked
    if not is_direct(origin):
        # It is loaded with httpx2, 3 MB, only where the environment has a proxy.
        from greenroom.actors.channels.transport.proxied import Proxied  # noqa: PLC0415

        return Proxied(provider, limits)
    if origin.secure:
        shared_context()  # built now, and not while the first request and all others wait for it
    return Direct(provider, limits)


def is_direct(origin: Origin) -> bool:
    """Whether there is certainly no proxy on the way to `origin`."""
    if _is_loopback(origin.host):
        # No proxy can reach this machine's loopback, and none needs to see a key that is for it.
        return True
    proxies = getproxies()
    if not (proxies.get("https" if origin.secure else "http") or proxies.get("all")):
        return True
    excepted = proxies.get("no", "").split(",")
    return any(_names(entry.strip().lower(), origin.host) for entry in excepted)


def _names(entry: str, host: str) -> bool:
    """Whether an entry of NO_PROXY certainly means `host`.

    It is `*`, an address, a network, a name, which is one for all names below it, too, or, with a dot
    or `*.` in front, for those alone.
    """
    if entry == "*":
        return True
    if "xn--" in host:
        return False  # httpx2 compares its other spelling
    try:
        network = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        name = entry.removeprefix("*.").removeprefix(".")
        if not name or not _NAME_LETTERS.issuperset(name):
            return False
        return host == entry or (entry != "localhost" and host.endswith(f".{name}"))
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
