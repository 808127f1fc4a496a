"""The gateway's secret, as it is now: what was configured, what its file says, what a reload brought.

A file is looked at for each request that brings a secret, and read where it has changed, so a rotated
secret counts at once and the one before it no more. While a file cannot be read its last secret counts.
"""

import hmac
import os
from typing import TYPE_CHECKING

from greenroom.http.config import Auth, NoAuth, NoSecret, read_secret

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

Stamp = tuple[int, int, int] | None


class Credential:
    """What callers have to present."""

    def __init__(self, auth: Auth, log: "FilteringBoundLogger | None" = None) -> None:
        self._log = log
        self._auth = auth
        self._secret = b""
        self._stamp: Stamp = None
        self.replace(auth)

    @property
    def needed(self) -> bool:
        """Whether callers have to present anything."""
        return not isinstance(self._auth, NoAuth)

    def replace(self, auth: Auth) -> None:
        """Have another secret, or another file of it, count from now on."""
        self._auth = auth
        if not isinstance(auth, NoAuth):
            self._secret = auth.secret.reveal().encode()
            self._stamp = None

    def matches(self, given: str) -> bool:
        """Tell whether a caller's secret is the right one; how long that takes tells nothing else."""
        self._follow_file()
        return hmac.compare_digest(given.encode(errors="surrogateescape"), self._secret)

    def _follow_file(self) -> None:
        file = None if isinstance(self._auth, NoAuth) else self._auth.file
        if file is None:
            return
        try:
            status = os.stat(file)
            stamp: Stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
        except OSError:
            stamp = (0, 0, 0)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._secret = read_secret(file).reveal().encode()
        except NoSecret as fault:
            if self._log is not None:
                self._log.warning("auth.secret_kept", reason=str(fault))
