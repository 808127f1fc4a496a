"""What a running gateway takes over from its configuration when it is told to look again.

That is its own secret, and the certificate. Everything else is what it was at the start; what is
different in the file is named, so that nobody takes it for done.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from greenroom.http.config import Configuration, ConfigurationError, Gateway, NoAuth
from greenroom.http.credential import Credential
from greenroom.http.server.tls import CannotLoad, Certificate

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class Reloading:
    """Reloads, for one gateway; `read` reads the configuration again as it was read at the start."""

    def __init__(
        self,
        running: Configuration,
        read: Callable[[], Configuration],
        credential: Credential,
        certificate: Certificate | None,
        log: "FilteringBoundLogger",
    ) -> None:
        self._running = running
        self._read = read
        self._credential = credential
        self._certificate = certificate
        self._log = log

    def reload(self) -> None:
        """Take over what can be; what cannot be read changes nothing."""
        try:
            read = self._read()
        except ConfigurationError as error:
            problems = [str(problem) for problem in error.problems]
            self._log.error("configuration.unusable", problems=problems)
            return
        self._replace_secret(read.gateway)
        self._refresh_certificate()
        waiting = list(_differences(self._running, read))
        self._log.info("configuration.reloaded", needs_restart=waiting)

    def _replace_secret(self, gateway: Gateway) -> None:
        old, new = self._running.gateway.auth, gateway.auth
        if type(old) is type(new) and not isinstance(new, NoAuth) and new.source != "generated":
            self._credential.replace(new)

    def _refresh_certificate(self) -> None:
        if self._certificate is None:
            return
        try:
            self._certificate.refresh(force=True)
        except CannotLoad as fault:
            self._log.warning("tls.certificate_kept", reason=str(fault))


def _differences(running: Configuration, read: Configuration) -> list[str]:
    """Return the parts of the configuration that would need a restart to count."""
    parts = [
        name
        for name in ("house", "store", "logging")
        if getattr(running, name) != getattr(read, name)
    ]
    for field in msgspec.structs.fields(Gateway):
        before, after = getattr(running.gateway, field.name), getattr(read.gateway, field.name)
        # The secret itself is taken over; the mode is not.
        same_mode = field.name == "auth" and type(before) is type(after)
        if before != after and not same_mode:
            parts.append(f"gateway.{field.name}")
    return parts
