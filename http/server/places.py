"""How many connections there may be, in all and from one address. Pure."""

import ipaddress

from greenroom.http.server.refused import Refused


class Places:
    """Counts connections; each `take` that returns None is given back by `leave`."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._taken = 0
        self._by_address: dict[str, int] = {}

    def take(self, address: str) -> Refused | None:
        """Take a place for a client; return why there is none."""
        who = _who(address)
        own = self._by_address.get(who, 0)
        if self._taken >= self._most:
            message = "This gateway has all the connections that it takes. Try again."
            return Refused(503, "too_many_connections", message, retry_after=1)
        if own >= self._most_of_one:
            message = f"There are over {self._most_of_one} connections from your address."
            return Refused(429, "too_many_connections", message, retry_after=1)
        self._taken += 1
        self._by_address[who] = own + 1
        return None

    def leave(self, address: str) -> None:
        """Give a place back."""
        who = _who(address)
        self._taken -= 1
        self._by_address[who] -= 1
        if not self._by_address[who]:
            del self._by_address[who]


def _who(address: str) -> str:
    """Return whose connections count together: of IPv6 the network of 64 bits, which one client has."""
    if ":" not in address:
        return address
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return address if parsed.is_loopback else parsed.packed[:8].hex()
