"""What stands between the network and the endpoints: TLS, names, pages of other sites, bounds."""

import re
from ipaddress import ip_address
from pathlib import Path

from greenroom.http.config import schema
from greenroom.http.config.configuration import Auth, HttpLimits, NoAuth, Tls
from greenroom.http.config.find import expand
from greenroom.http.config.findings import Findings

_TLS = ("gateway", "tls")
_HOSTS = ("gateway", "http", "hosts")
_ORIGINS = ("gateway", "http", "cors", "origins")
_HOST = re.compile(r"\*|(\*\.)?[A-Za-z0-9_-][A-Za-z0-9._-]*")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@*]+/?", re.IGNORECASE)


def resolve_tls(tls: schema.Tls, source: Path | None, home: Path, findings: Findings) -> Tls | None:
    """Return the files of the certificate and of its key, None where TLS is off."""
    if not tls.enabled or source is None:
        return None
    paths: list[Path] = []
    for key, value in (("certPath", tls.cert_path), ("keyPath", tls.key_path)):
        if value is None:
            findings.problem(
                (*_TLS, key), "is required where TLS is on; no certificate is made up here"
            )
        elif "\0" in value:
            findings.problem((*_TLS, key), "is no path: it has a character that none has")
        else:
            paths.append(source.parent / expand(value, home))
    return Tls(*paths) if len(paths) == 2 else None


def resolve_hosts(hosts: tuple[str, ...], findings: Findings) -> tuple[str, ...]:
    """Return the names that the gateway answers for beside its own."""
    for index, host in enumerate(hosts):
        if not _HOST.fullmatch(host) and not _is_address(host.strip("[]")):
            expected = 'expected a name or an address without a port, "*.example.com" or "*"'
            findings.problem((*_HOSTS, index), expected)
    return hosts


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def resolve_origins(origins: tuple[str, ...], auth: Auth, findings: Findings) -> tuple[str, ...]:
    """Return the origins whose pages may call."""
    for index, origin in enumerate(origins):
        path = (*_ORIGINS, index)
        if origin == "*" and isinstance(auth, NoAuth):
            findings.problem(path, 'refused with auth.mode "none": every page could call')
        elif origin == "null":
            findings.problem(path, "refused: it is the origin of any page that hides its own")
        elif origin != "*" and not _ORIGIN.fullmatch(origin):
            findings.problem(path, 'expected an origin such as "https://app.example.com", or "*"')
    return origins


def resolve_limits(limits: schema.Limits) -> HttpLimits:
    """Return the bounds of requests and connections."""
    return HttpLimits(
        max_body_bytes=limits.max_body_bytes,
        body_timeout=limits.body_timeout_seconds,
        heartbeat=limits.heartbeat_seconds,
        first_event=limits.first_event_seconds,
        shutdown=limits.shutdown_seconds,
        max_json_depth=limits.max_json_depth,
        max_connections=limits.max_connections,
        max_connections_per_address=limits.max_connections_per_address,
        keep_alive=limits.keep_alive_seconds,
        max_head_bytes=limits.max_head_bytes,
        max_request_line_bytes=limits.max_request_line_bytes,
        max_headers=limits.max_headers,
        head_timeout=limits.head_timeout_seconds,
        write_timeout=limits.write_timeout_seconds,
    )
