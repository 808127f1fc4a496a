"""TLS: the one context, and records between plain bytes and those on the wire. No I/O.

`trio.SSLStream` gives a record a read and takes a lock and a checkpoint for each. Here all records that
one network read brought are opened at once, so they stay one batch, and nothing that has come can be
left behind for the next answer to begin with.
"""

import ssl
from contextlib import suppress
from functools import cache

_RECORD = 16 * 1024
"""Bytes that a record holds at most (RFC 8446, 5.1)."""


@cache
def shared_context() -> ssl.SSLContext:
    """Return the one context, which verifies; building one takes some hundred milliseconds.

    It trusts what `SSL_CERT_FILE` or `SSL_CERT_DIR` names, or else what the system trusts.
    """
    import httpx2  # noqa: PLC0415 - 3 MB, which a gateway of local models does without

    context = httpx2.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Records:
    """The client's end of TLS with `host`, a name or an IP address."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._from_peer = ssl.MemoryBIO()
        self._to_peer = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._from_peer, self._to_peer, server_hostname=host)

    def shake(self) -> bool:
        """Go on with the handshake; return whether it is done. Raises `ssl.SSLError`."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def feed(self, data: bytes) -> None:
        """Take what came from the wire; nothing is its end."""
        if data:
            self._from_peer.write(data)
        else:
            self._from_peer.write_eof()

    def owed(self) -> bytes:
        """Return what TLS itself has to send, possibly nothing."""
        return self._to_peer.read()

    def sealed(self, data: bytes) -> bytes:
        """Return `data` as it goes on the wire; raises `ssl.SSLError`."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.write(rest) :]
        return self._to_peer.read()

    def opened(self) -> tuple[bytes, bool]:
        """Return the plain bytes of all that came, and whether it has ended; raises `ssl.SSLError`.

        An end that TLS does not announce is one, too: HTTP says by itself where its bodies end.
        """
        pieces: list[bytes] = []
        try:
            with suppress(ssl.SSLEOFError):
                while piece := self._tls.read(_RECORD):
                    pieces.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(pieces), False
        return b"".join(pieces), True
