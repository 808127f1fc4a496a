"""How many connections there may be, in all and from one address. Pure."""

from greenroom.http.addresses import whose
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
        who = whose(address)
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
        who = whose(address)
        self._taken -= 1
        self._by_address[who] -= 1
        if not self._by_address[who]:
            del self._by_address[who]
