"""Where a URL points: which server to connect to, and what to ask it for.

It parses as `httpx2` does, so both transports take the same URLs. It knows nothing of connections.
"""

import re
from typing import NamedTuple

_PORTS = {"http": 80, "https": 443}
_PLAIN = re.compile(
    r"""(https?)://
    ((?:[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)*|127\.0\.0\.1)
    (?::([1-9][0-9]{0,4}))?
    ((?:/[a-zA-Z0-9_~-][a-zA-Z0-9._~-]*)*/?)""",
    re.VERBOSE,
)
"""URLs as nearly all configurations have them: no two parsers understand one of these differently."""


class Origin(NamedTuple):
    """A server; what is equal can share connections. `host` is ASCII: a name or an IP address."""

    secure: bool
    host: str
    port: int


class Address(NamedTuple):
    """A resource of a server: `authority` is for the Host header, `target` for the request line.

    (RFC 9110, 7.2; RFC 9112, 3.2.1.) Neither has the user or the fragment that the URL may have.
    """

    origin: Origin
    authority: str
    target: str


def address_of(url: str) -> Address:
    """Return where `url` points; raises `ValueError` if that is nowhere, without quoting it."""
    if plain := _PLAIN.fullmatch(url):
        scheme, host, number, path = plain.groups()
        usual = _PORTS[scheme]
        port = usual if number is None else int(number)
        if port < 65536:
            authority = host if port == usual else f"{host}:{port}"
            return Address(Origin(scheme == "https", host, port), authority, path or "/")
    return _unusual(url)


def _unusual(url: str) -> Address:
    import httpx2  # noqa: PLC0415 - 3 MB, which only unusual URLs, proxies and TLS need

    try:
        parts = httpx2.URL(url)
    except httpx2.InvalidURL:
        raise ValueError("not a URL") from None
    if parts.scheme not in _PORTS or not parts.host:
        raise ValueError("not the URL of a server that speaks HTTP")
    usual = _PORTS[parts.scheme]
    port = usual if parts.port is None else parts.port
    if not 0 < port < 65536:
        raise ValueError("not a port")
    host = parts.raw_host.decode("ascii")
    if not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
        raise ValueError("not a name that a server can have")  # (RFC 1035, 2.3.4)
    literal = f"[{host}]" if ":" in host else host
    authority = literal if port == usual else f"{literal}:{port}"
    origin = Origin(parts.scheme == "https", host, port)
    return Address(origin, authority, parts.raw_path.decode("ascii"))
