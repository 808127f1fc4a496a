"""A request as it goes out: one POST in HTTP/1.1 (RFC 9112), written in one piece.

What is malformed is refused and never mended, so that no header can bring another one with it.
"""

import re

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.transport.address import Address
from greenroom.actors.channels.transport.transport import HEADERS

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token (RFC 9110, 5.6.2)."""
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
"""A field's value without controls (RFC 9110, 5.5); what is not ASCII goes as UTF-8."""
_FRAMING = frozenset({"content-length", "transfer-encoding"})
"""They say where the body ends, which is not for whoever sets headers to say."""


def written(address: Address, request: HttpRequest) -> bytes:
    """Return the bytes that ask `address`; raises `ValueError` for headers that cannot be sent."""
    missing = HEADERS | {"host": address.authority}
    lines: list[str] = []
    for name, value in request.headers.items():
        lower = name.lower()
        missing.pop(lower, None)
        if lower in _FRAMING or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError("a header that cannot be sent")
        lines.append(f"{name}: {value}\r\n")
    defaults = "".join([f"{name}: {value}\r\n" for name, value in missing.items()])
    length = f"content-length: {len(request.body)}\r\n\r\n"
    head = f"POST {address.target} HTTP/1.1\r\n{defaults}{''.join(lines)}{length}"
    return head.encode() + request.body
