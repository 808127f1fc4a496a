"""Who may call: one bearer secret, and a bound on guessing it.

Wrong secrets are counted by address, or network of IPv6, in a table of bounded size; who brings none
guesses none. A remote address that fails too often is locked out for a while; loopback is only slowed
down, so that nobody locks out the machine's owner.
"""

import ipaddress
from collections import OrderedDict, deque

import trio

from greenroom.http.addresses import whose
from greenroom.http.config import FailureLimits
from greenroom.http.credential import Credential
from greenroom.http.errors import ApiError
from greenroom.http.exchange import Head

_TABLE_SIZE = 10_000
_LOOPBACK_DELAY_S = 0.5


class Authenticator:
    """Checks requests against the gateway's secret."""

    def __init__(self, credential: Credential, limits: FailureLimits) -> None:
        self._credential = credential
        self._limits = limits
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._locked: OrderedDict[str, float] = OrderedDict()

    async def check(self, head: Head) -> None:
        """Let the request pass.

        Raises:
            ApiError: 401 without the right secret, 429 while its address is locked out.
        """
        if not self._credential.needed:
            return
        address = head.client[0] if head.client is not None else ""
        who = whose(address)
        if self._locked:
            self._refuse_locked(who, trio.current_time())
        given = presented(head)
        if given is not None:
            if self._credential.matches(given):
                self._failures.pop(who, None)
                return
            spared = self._limits.exempt_loopback and _is_loopback(address)
            await self._count_failure(who, trio.current_time(), spared=spared)
        raise ApiError(
            401,
            "unauthorized",
            "Unauthorized",
            code="invalid_api_key",
            headers={"www-authenticate": "Bearer"},
        )

    def _refuse_locked(self, who: str, now: float) -> None:
        until = self._locked.get(who)
        if until is None:
            return
        if until <= now:
            del self._locked[who]
            return
        raise ApiError(
            429,
            "rate_limited",
            "Too many failed authentication attempts. Please try again later.",
            code="rate_limited",
            headers={"retry-after": str(max(1, round(until - now)))},
        )

    async def _count_failure(self, who: str, now: float, *, spared: bool) -> None:
        limits = self._limits
        recent = self._failures.setdefault(who, deque(maxlen=limits.attempts))
        self._failures.move_to_end(who)
        recent.append(now)
        _shorten(self._failures)
        if len(recent) < limits.attempts or now - recent[0] > limits.window:
            return
        if spared:
            await trio.sleep(_LOOPBACK_DELAY_S)
            return
        del self._failures[who]
        self._locked[who] = now + limits.lockout
        _shorten(self._locked)


def presented(head: Head) -> str | None:
    """Return the secret that a request brings: a bearer, or the header that Azure's clients use."""
    authorization = head.header(b"authorization")
    if authorization is not None:
        scheme, _, secret = authorization.partition(" ")
        return secret.strip() if scheme.lower() == "bearer" else None
    return head.header(b"api-key") or head.header(b"x-api-key")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _shorten(table: OrderedDict[str, deque[float]] | OrderedDict[str, float]) -> None:
    while len(table) > _TABLE_SIZE:
        table.popitem(last=False)
