"""The configuration as the rest of the program has it: complete, checked, every default applied.

Nothing in it shows a secret in its `repr`. Times are in seconds, sizes in bytes.
"""

from pathlib import Path
from typing import Literal

import msgspec

from greenroom.actors.settings import HouseSettings, Secret
from greenroom.http.config.findings import IgnoredKey

SecretSource = Literal["configuration", "file", "environment", "generated"]
"""Where a gateway's secret came from; a generated one is to be shown to the user once."""


class TokenAuth(msgspec.Struct, frozen=True, tag="token"):
    """Callers present a token as their bearer; where it is in a `file`, what that says counts."""

    secret: Secret
    source: SecretSource
    file: Path | None = None


class PasswordAuth(msgspec.Struct, frozen=True, tag="password"):
    """Callers present a password as their bearer; where it is in a `file`, what that says counts."""

    secret: Secret
    source: SecretSource
    file: Path | None = None


class NoAuth(msgspec.Struct, frozen=True, tag="none"):
    """Everyone may call; the host is loopback then."""


Auth = TokenAuth | PasswordAuth | NoAuth


class FailureLimits(msgspec.Struct, frozen=True):
    """How many failed authentications within `window` lock an address out, and for how long."""

    attempts: int = 10
    window: float = 60.0
    lockout: float = 300.0
    exempt_loopback: bool = True


class HttpLimits(msgspec.Struct, frozen=True):
    """Bounds of a request, and of connections.

    `head_timeout` is for a request's head, or a TLS handshake; `body_timeout` for its body;
    `write_timeout` for a client that does not read what it is sent; `keep_alive` how long a connection
    may wait for its next request. `heartbeat` is the longest silence of a stream; `first_event` the
    longest wait for a run's first event before the status goes out; `shutdown` the time that runs
    under way get to end; `max_json_depth` how deep a request's JSON may nest.
    """

    max_body_bytes: int = 20 * 1024 * 1024
    body_timeout: float = 30.0
    heartbeat: float = 15.0
    first_event: float = 10.0
    shutdown: float = 10.0
    max_json_depth: int = 64
    max_connections: int = 8192
    max_connections_per_address: int = 2048
    keep_alive: float = 60.0
    max_head_bytes: int = 64 * 1024
    max_request_line_bytes: int = 16 * 1024
    max_headers: int = 128
    head_timeout: float = 20.0
    write_timeout: float = 60.0


class Tls(msgspec.Struct, frozen=True):
    """The files of a certificate, with its chain, and of its key, both in PEM."""

    certificate: Path
    key: Path


Http1 = Literal["httptools", "h11"]


class ImageLimits(msgspec.Struct, frozen=True):
    """Whether and how images are fetched that a request names by URL.

    They are only where `allow_url` says so, from hosts of `url_allowlist` if it has any (a name, or
    `*.` and a domain), at most `max_urls` a request, with `max_bytes` and `timeout` for all together.
    """

    allow_url: bool = False
    url_allowlist: tuple[str, ...] = ()
    max_urls: int = 8
    max_bytes: int = 10 * 1024 * 1024
    max_redirects: int = 3
    timeout: float = 10.0
    allowed_types: tuple[str, ...] = ("image/jpeg", "image/png", "image/gif", "image/webp")


class Gateway(msgspec.Struct, frozen=True):
    """Where and how HTTP is served.

    `host` is an IP address; port 0 lets the system choose. `chat_completions` switches the
    endpoint; with `session_from_user`, a request's `user` makes its session. `responses` and
    `responses_from_user` are the same for responses, and the former for conversations, too.
    `hosts` are names that the gateway answers for, beside its own; `cors` the origins whose pages may
    call it. `http1` says whose HTTP/1.1 is spoken.
    """

    host: str
    port: int
    auth: Auth
    failures: FailureLimits
    chat_completions: bool
    session_from_user: bool
    limits: HttpLimits
    hosts: tuple[str, ...] = ()
    cors: tuple[str, ...] = ()
    http1: Http1 = "httptools"
    tls: Tls | None = None
    responses: bool = False
    responses_from_user: bool = True
    images: ImageLimits = ImageLimits()


LogLevel = Literal["silent", "fatal", "error", "warn", "info", "debug", "trace"]
LogFormat = Literal["auto", "json", "console"]


class Logging(msgspec.Struct, frozen=True):
    """What is logged and how; "auto" is "console" on a terminal, else "json"."""

    level: LogLevel = "info"
    format: LogFormat = "auto"


class Configuration(msgspec.Struct, frozen=True):
    """Everything that the program was told.

    `store` is the file that sessions are kept in, None for memory. `source` is the file that it came
    from, None for the embedded default; `ignored` are that file's keys that mean something to the
    existing product and nothing here, each with its line.
    """

    gateway: Gateway
    house: HouseSettings
    store: Path | None
    logging: Logging
    source: Path | None
    ignored: tuple[IgnoredKey, ...]
