"""The head of a request in HTTP/1.1 (RFC 9112): from bytes to fields. Pure, and strict.

`httptools` takes it apart, and refuses bare line feeds and carriage returns, NUL, folded lines, white
space before a colon, and lengths that are none, or two. What is left open is decided here: what else
might mean one thing to us and another to a proxy in front of us is refused, too.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote

from httptools import (
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from greenroom.http.exchange import Header
from greenroom.http.server.refused import Refused, malformed

_ABSOLUTE = re.compile(rb"https?://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)
_METHOD = re.compile(rb"[A-Z-]{1,32} ")
_CONNECTION_LEVEL = frozenset(
    {b"connection", b"content-length", b"expect", b"host", b"transfer-encoding", b"upgrade"}
)


class Head(NamedTuple):
    """A request as far as its head tells of it.

    `length` is that of its body, None where it comes in chunks. `keeps` says whether the connection may
    carry another request, `expects` that the client wants to be asked for the body, `websocket` that
    it wants to speak another protocol from here on.
    """

    method: str
    path: str
    raw_path: bytes
    query: bytes
    version: str
    headers: list[Header]
    length: int | None
    keeps: bool
    expects: bool
    websocket: bool

    def encode(self) -> bytes:
        """Return it as bytes again, for another protocol to read."""
        target = self.raw_path + b"?" + self.query if self.query else self.raw_path
        lines = [b"%b: %b\r\n" % header for header in self.headers]
        line = f"{self.method} ".encode() + target + f" HTTP/{self.version}\r\n".encode()
        return line + b"".join(lines) + b"\r\n"


def read_head(data: bytes) -> Head:
    """Read a head, whose end is that of `data`.

    Raises:
        Refused: it is malformed, or of a version that is not spoken here.
    """
    fields = _Fields()
    parser = HttpRequestParser(fields)
    try:
        parser.feed_data(data)
    except (
        HttpParserUpgrade
    ):  # CONNECT, or an upgrade that a client offers: both are read to the end
        pass
    except HttpParserInvalidMethodError:
        if not _METHOD.match(data):
            raise malformed("The request line is not HTTP's.") from None
        raise Refused(501, "unknown_method", "There is no such method.") from None
    except HttpParserError as error:
        version = parser.get_http_version()
        if not fields.headers and version not in {"0.0", "1.0", "1.1"}:
            raise _unspoken(version) from None
        raise malformed(f"The request is not HTTP: {error}.") from None
    method, version = parser.get_method(), parser.get_http_version()
    # The parser knows RTSP, too, HTTP/0.9, and lines with more spaces than one.
    if not data.startswith(b"%b %b HTTP/%b\r\n" % (method, fields.target, version.encode())):
        raise malformed("The request line is not HTTP's.")
    if version not in {"1.0", "1.1"}:
        raise _unspoken(version)
    return _head(method.decode(), fields.target, version, fields.headers)


def _head(method: str, target: bytes, version: str, headers: list[Header]) -> Head:
    length, hosts, tokens, upgrade, expects = 0, 0, b"", b"", False
    chunked = False
    for name, value in headers:
        if name not in _CONNECTION_LEVEL:
            continue
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" or version == "1.0":
                raise malformed("The only transfer coding is `chunked`, from HTTP/1.1 on.")
            chunked = True
        elif name == b"connection":
            tokens = tokens + b"," + value.lower()
        elif name == b"upgrade":
            upgrade = value.lower()
        else:
            expects = value.lower() == b"100-continue" and version == "1.1"
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise malformed("A request names its host, once.")
    options = {token.strip() for token in tokens.split(b",")} if tokens else set[bytes]()
    raw_path, query = _target(target, headers)
    path = raw_path.decode("ascii")
    has_body = chunked or length > 0
    return Head(
        method=method,
        path=unquote(path) if "%" in path else path,
        raw_path=raw_path,
        query=query,
        version=version,
        headers=headers,
        length=None if chunked else length,
        keeps=version == "1.1" and b"close" not in options and method != "CONNECT",
        expects=expects and has_body,
        websocket=(
            upgrade == b"websocket"
            and b"upgrade" in options
            and method == "GET"
            and version == "1.1"
            and not has_body
        ),
    )


def _target(target: bytes, headers: list[Header]) -> tuple[bytes, bytes]:
    """Return the path and the query of a target, which may be a whole URL (RFC 9112, 3.2.2)."""
    if not target.startswith(b"/") and (absolute := _ABSOLUTE.fullmatch(target)):
        authority, target = absolute.groups()
        if any(name == b"host" and value.lower() != authority.lower() for name, value in headers):
            raise malformed("The request's target is of another host than its `host`.")
        target = target if target.startswith(b"/") else b"/" + target
    path, _, query = target.partition(b"?")
    return path, query


def _unspoken(version: str) -> Refused:
    return Refused(505, "unknown_version", f"HTTP/{version} is not spoken here.")


class _Fields:
    """What the parser finds; the methods' names are httptools'."""

    __slots__ = ("headers", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[Header] = []

    def on_url(self, url: bytes) -> None:
        """Take the target, or a piece of it."""
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field."""
        self.headers.append((name.lower(), value.rstrip(b" \t")))
