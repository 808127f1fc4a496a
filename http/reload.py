"""What a running gateway takes over from its configuration when it is told to look again.

That is its agents, its providers and all that goes with them, its own secret, and the certificate; all of
it or, where the configuration cannot be used, nothing. What is different in the file and would need a
restart is named, so that nobody takes it for done.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
import trio

from greenroom.actors.household import Closing
from greenroom.actors.settings import HouseSettings
from greenroom.http.config import Configuration, ConfigurationError, Gateway, NoAuth
from greenroom.http.credential import Credential
from greenroom.http.server.tls import CannotLoad, Certificate
from greenroom.runtime import NotAccepted

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_START_S = 10.0
"""How long the parts of a configuration may take to start."""

Take = Callable[[HouseSettings], Awaitable[None]]


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
        self._asked = trio.Event()

    def ask(self) -> None:
        """Have one done soon; wishes that come before it has begun are one."""
        self._asked.set()

    async def obey(self, take: Take, stop: trio.Event) -> None:
        """Do one after the other, as they are asked for; none is begun once `stop` is set."""
        while True:
            await self._asked.wait()
            self._asked = trio.Event()
            if stop.is_set():
                self._log.info("configuration.kept", reason="the gateway is stopping")
            else:
                await self.reload(take)

    async def reload(self, take: Take) -> None:
        """Take over what can be; what cannot be read, or not be started by `take`, changes nothing."""
        try:
            read = self._read()
        except ConfigurationError as error:
            problems = [str(problem) for problem in error.problems]
            self._log.error("configuration.unusable", problems=problems)
            return
        try:
            with trio.fail_after(_START_S):
                await take(read.house)
        except (Closing, NotAccepted):
            self._log.info("configuration.kept", reason="the gateway is stopping")
            return
        except Exception:  # noqa: BLE001 - whatever it is, the gateway goes on as it was
            self._log.exception("configuration.not_started")
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
        for name in ("store", "logging", "mcp")
        if getattr(running, name) != getattr(read, name)
    ]
    for field in msgspec.structs.fields(Gateway):
        before, after = getattr(running.gateway, field.name), getattr(read.gateway, field.name)
        # The secret itself is taken over; the mode is not.
        same_mode = field.name == "auth" and type(before) is type(after)
        if before != after and not same_mode:
            parts.append(f"gateway.{field.name}")
    return parts
