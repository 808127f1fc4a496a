"""A request as it goes out: one POST in HTTP/1.1 (RFC 9112), written in one piece.

What is malformed is refused and never mended, so that no header can bring another one with it.
"""

import re
from collections.abc import Mapping

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.transport.address import Address, Origin, address_of
from greenroom.actors.channels.transport.transport import HEADERS

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token (RFC 9110, 5.6.2)."""
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
"""A field's value without controls (RFC 9110, 5.5); what is not ASCII goes as UTF-8."""
_FRAMING = frozenset({"content-length", "transfer-encoding"})
"""They say where the body ends, which is not for whoever sets headers to say."""


_HEADS = 16
"""Heads that are kept; a provider asks at one or two URLs."""


class Writer:
    """Writes the requests of one provider; a head that is the same as the last one's is kept."""

    def __init__(self) -> None:
        self._heads: dict[str, tuple[dict[str, str], Origin, bytes]] = {}
        """What the last request to each URL had: its headers, whom it asked, its head."""

    def write(self, request: HttpRequest) -> tuple[Origin, bytes]:
        """Return whom to ask, and the bytes that do; raises `ValueError` for what cannot be sent."""
        known = self._heads.get(request.url)
        if known is None or known[0] != request.headers:
            address = address_of(request.url)
            known = dict(request.headers), address.origin, _head(address, request.headers)
            if len(self._heads) == _HEADS:
                self._heads.clear()
            self._heads[request.url] = known
        _, origin, head = known
        return origin, b"%b%d\r\n\r\n%b" % (head, len(request.body), request.body)


def _head(address: Address, headers: Mapping[str, str]) -> bytes:
    """Return a head up to the length of the body."""
    missing = HEADERS | {"host": address.authority}
    lines: list[str] = []
    for name, value in headers.items():
        lower = name.lower()
        missing.pop(lower, None)
        if lower in _FRAMING or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError("a header that cannot be sent")
        lines.append(f"{name}: {value}\r\n")
    defaults = "".join([f"{name}: {value}\r\n" for name, value in missing.items()])
    head = f"POST {address.target} HTTP/1.1\r\n{defaults}{''.join(lines)}content-length: "
    return head.encode()
