"""TLS for the listener: a certificate and its key, from two files that may change.

A connection gets the newest pair that was whole when it came; a pair that does not fit changes nothing.
"""

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from greenroom.http.config import Tls

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_LOOK_S = 10.0
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all good."""

Stamp = tuple[tuple[int, int, int], ...]


class CannotLoad(Exception):  # noqa: N818 - it says what happened
    """The certificate or its key cannot be used, and why."""


class Certificate:
    """The context of new connections; `refresh` follows the files.

    Raises:
        CannotLoad: on making it; the files are no pair of certificate and key.
    """

    def __init__(self, tls: Tls) -> None:
        self._files = (tls.certificate, tls.key)
        self._stamp = _stamp(self._files)
        self.context = _context(*self._files)

    def refresh(self, *, force: bool = False) -> bool:
        """Load the files again if they have changed; return whether they were loaded.

        Raises:
            CannotLoad: they are no pair now; the one before counts on.
        """
        stamp = _stamp(self._files)
        if stamp == self._stamp and not force:
            return False
        self._stamp = stamp
        self.context = _context(*self._files)
        return True


async def follow(certificate: Certificate, log: "FilteringBoundLogger") -> None:
    """Look now and then whether the files have changed."""
    while True:
        await trio.sleep(_LOOK_S)
        try:
            if certificate.refresh():
                log.info("tls.certificate_replaced")
        except CannotLoad as fault:
            log.warning("tls.certificate_kept", reason=str(fault))


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        # Without a password to give, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise CannotLoad(
            f"no certificate in {certificate} with its key in {key}: {reason}"
        ) from None
    return context


def _stamp(files: tuple[Path, ...]) -> Stamp:
    """Return what changes whenever one of the files does."""
    stamps: list[tuple[int, int, int]] = []
    for file in files:
        try:
            status = os.stat(file)
        except OSError:
            stamps.append((0, 0, 0))
        else:
            stamps.append((status.st_mtime_ns, status.st_ino, status.st_size))
    return tuple(stamps)
