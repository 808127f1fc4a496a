"""Images that a request names by URL, fetched within limits and put in the place of their URLs.

A URL of a client's is never trusted: its host is looked up once, every address that it has must be
public, and the connection goes to one of those very addresses, also after a redirect. What comes back has
to be an image by its type, and no longer than the limit. No proxy takes part.
"""

import base64
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import h11
import msgspec
import trio

from greenroom.actors.channels.transport.tls import shared_context
from greenroom.actors.entries import AssistantEntry, Entry, MediaPart, Part
from greenroom.http.config.configuration import ImageLimits
from greenroom.http.errors import ApiError, invalid

CONFIGURED_BY = "gateway.http.endpoints.chatCompletions.images"

_NAT64 = IPv6Network("64:ff9b::/96")
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = {301, 302, 303, 307, 308}
_READ = 64 * 1024
_part = msgspec.json.Decoder(dict[str, Any])

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host and a port to the host's IP addresses; raises OSError."""
Connect = Callable[[str, int, str | None], Awaitable[trio.abc.Stream]]
"""From an IP address, a port, and the name that TLS has to prove, if it is TLS; raises OSError."""


class Remote(msgspec.Struct, frozen=True):
    """An image that a request names by URL: the numbers of its message and its part, and where it is."""

    message: int
    part: int
    url: str

    @property
    def param(self) -> str:
        return f"messages[{self.message}].content[{self.part}].image_url.url"


class _Unfit(Exception):  # noqa: N818 - why an image cannot be had
    pass


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for a host's addresses."""
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def connect(address: str, port: int, name: str | None) -> trio.abc.Stream:
    """Connect to an address, by TLS if a name is to be proven."""
    stream: trio.abc.Stream = await trio.open_tcp_stream(address, port)
    if name is not None:
        stream = trio.SSLStream(
            stream, shared_context(), server_hostname=name, https_compatible=True
        )
    return stream


class Pictures:
    """Fetches images within limits."""

    def __init__(
        self, limits: ImageLimits, resolve: Resolve = resolve, connect: Connect = connect
    ) -> None:
        self._limits = limits
        self._resolve = resolve
        self._connect = connect

    async def inline(
        self, entries: tuple[Entry, ...], remote: Sequence[Remote]
    ) -> tuple[Entry, ...]:
        """Return entries in which the remote images stand themselves, as data URLs.

        Raises:
            ApiError: 400, naming the one that cannot be had.
        """
        changed = list(entries)
        left = self._limits.max_bytes
        with trio.move_on_after(self._limits.timeout) as patience:
            for image in remote:
                try:
                    type_, body = await self._fetch(image.url, left)
                except _Unfit as unfit:
                    raise _unavailable(image, str(unfit)) from None
                left -= len(body)
                url = f"data:{type_};base64,{base64.b64encode(body).decode()}"
                changed[image.message] = _with_url(changed[image.message], image.part, url)
        if patience.cancelled_caught:
            raise _unavailable(image, f"it took longer than {self._limits.timeout:g} s")
        return tuple(changed)

    async def _fetch(self, url: str, most: int) -> tuple[str, bytes]:
        for _ in range(self._limits.max_redirects + 1):
            parts, port = self._checked(url)
            host = parts.hostname or ""
            addresses = await self._public_addresses(host, port)
            try:
                stream = await self._connect(
                    addresses[0], port, host if parts.scheme == "https" else None
                )
                async with stream:
                    answer = await self._ask(stream, parts, most)
            except (OSError, trio.BrokenResourceError, ssl.SSLError, h11.RemoteProtocolError):
                raise _Unfit("its server cannot be reached, or breaks off") from None
            if not isinstance(answer, str):
                return answer
            url = urljoin(url, answer)
        raise _Unfit(f"it is redirected more than {self._limits.max_redirects} times")

    def _checked(self, url: str) -> tuple[SplitResult, int]:
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
            url.encode("ascii")
        except (ValueError, KeyError):
            raise _Unfit("it is no http or https URL") from None
        host = parts.hostname
        if not host or parts.username is not None or any(c <= " " for c in url):
            raise _Unfit("it is no http or https URL of a host alone")
        allowed = self._limits.url_allowlist
        if allowed and not any(_is_of(host, name) for name in allowed):
            raise _Unfit(f"its host is not in `{CONFIGURED_BY}.urlAllowlist`")
        return parts, port

    async def _public_addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._resolve(host, port)
        except OSError:
            raise _Unfit("its host is not known") from None
        if not addresses or not all(map(is_public, addresses)):
            raise _Unfit("its host has an address that is not public")
        return addresses

    async def _ask(
        self, stream: trio.abc.Stream, parts: SplitResult, most: int
    ) -> tuple[str, bytes] | str:
        """Return the image with its type, or where else it is."""
        exchange = h11.Connection(h11.CLIENT)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = [
            ("host", parts.netloc),
            ("user-agent", "greenroom"),
            ("accept", ", ".join(self._limits.allowed_types)),
            ("accept-encoding", "identity"),
            ("connection", "close"),
        ]
        request = h11.Request(method="GET", target=target, headers=headers)
        await stream.send_all(exchange.send(request) + exchange.send(h11.EndOfMessage()))
        head: h11.Response | None = None
        body = bytearray()
        while True:
            event = exchange.next_event()
            match event:
                case h11.NEED_DATA:
                    exchange.receive_data(bytes(await stream.receive_some(_READ)))
                case h11.Response():
                    head = event
                    where = _header(event, b"location")
                    if event.status_code in _REDIRECTS and where:
                        return where
                    self._check_head(event, most)
                case h11.Data(data):
                    body += data
                    if len(body) > most:
                        raise _too_long(self._limits.max_bytes)
                case h11.EndOfMessage():
                    break
                case h11.InformationalResponse():
                    continue
                case _:
                    raise _Unfit("its server breaks off")
        assert head is not None, "a message begins with its head"  # noqa: S101 - h11's promise
        return _type_of(head), bytes(body)

    def _check_head(self, head: h11.Response, most: int) -> None:
        if head.status_code != 200:
            raise _Unfit(f"its server answers {head.status_code}")
        if _type_of(head) not in self._limits.allowed_types:
            raise _Unfit(f"it is none of {', '.join(self._limits.allowed_types)}")
        length = _header(head, b"content-length")
        if length and int(length) > most:
            raise _too_long(self._limits.max_bytes)


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the internet, and of no network around the gateway."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is not None:
            return is_public(str(inner))
        if found in _NAT64:
            return is_public(str(ip_address(int(found) & 0xFFFFFFFF)))
    return found.is_global and not found.is_multicast and not found.is_reserved


def _is_of(host: str, name: str) -> bool:
    """Say whether a host is the one of that name, or with `*.` one below it."""
    name = name.lower()
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def _header(head: h11.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in head.headers if key == name), "")


def _type_of(head: h11.Response) -> str:
    return _header(head, b"content-type").partition(";")[0].strip().lower()


def _too_long(most: int) -> _Unfit:
    return _Unfit(f"the images of a request have at most {most} bytes")


def _with_url(entry: Entry, at: int, url: str) -> Entry:
    """Return an entry with another URL in one of its images; what else the part says stays."""
    assert not isinstance(entry, AssistantEntry)  # noqa: S101 - answers have no images
    content: list[Part] = [part for part in entry.content if not isinstance(part, str)]
    part = content[at]
    assert isinstance(part, MediaPart)  # noqa: S101 - it was read as one
    fields = _part.decode(part.raw)
    fields["image_url"] = fields["image_url"] | {"url": url}
    content[at] = MediaPart(part.kind, msgspec.json.encode(fields))
    return msgspec.structs.replace(entry, content=tuple(content))


def _unavailable(image: Remote, why: str) -> ApiError:
    return invalid(
        f"Invalid image_url content in `messages`. The image cannot be fetched: {why}. Send it as a "
        "data:image/… URL.",
        image.param,
        "image_url_unavailable",
    )
