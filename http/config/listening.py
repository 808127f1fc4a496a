"""Where the gateway listens: the host and the port."""

from collections.abc import Mapping
from ipaddress import ip_address

from greenroom.http.config import schema
from greenroom.http.config.findings import Findings
from greenroom.http.config.nodes import quote
from greenroom.http.config.scalars import suggestion

DEFAULT_PORT = 18789
PORT_VARIABLE = "OPENCLAW_GATEWAY_PORT"

_LOOPBACK = "127.0.0.1"
_NAMED_HOSTS = {"loopback": _LOOPBACK, "lan": "0.0.0.0", "auto": _LOOPBACK}  # noqa: S104 - asked for
_BIND = ("gateway", "bind")
_CUSTOM = ("gateway", "customBindHost")


def resolve_host(gateway: schema.Gateway, findings: Findings) -> str:
    """Return the IP address to bind."""
    if gateway.bind in _NAMED_HOSTS:
        return _NAMED_HOSTS[gateway.bind]
    if gateway.bind == "custom":
        path, address, expected, hint = _CUSTOM, gateway.custom_bind_host, "an IP address", ""
    else:
        names = (*_NAMED_HOSTS, "custom")
        path, address, hint = _BIND, gateway.bind, suggestion(gateway.bind, names)
        expected = f"{', '.join(map(quote, names))} or an IP address"
    if address is None:
        findings.problem(path, 'is required with bind "custom"')
    elif _is_address(address):
        return address
    else:
        findings.problem(path, f"expected {expected}, got {findings.shown(path)}{hint}")
    return _LOOPBACK


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches the IP address `host`."""
    return ip_address(host).is_loopback


def resolve_port(
    gateway: schema.Gateway, argument: int | None, environ: Mapping[str, str], findings: Findings
) -> int:
    """Return the port: the argument's, else the environment's, the file's, the default."""
    if argument is not None:
        if not _is_port(argument):
            findings.outside("--port", f"expected an integer from 0 to 65535, got {argument}")
        return argument
    variable = environ.get(PORT_VARIABLE, "").strip()
    if variable:
        digits = variable.isascii() and variable.isdigit() and len(variable) <= 5
        if not digits or not _is_port(int(variable)):
            findings.outside(
                PORT_VARIABLE, f"expected an integer from 0 to 65535, got {quote(variable)}"
            )
            return DEFAULT_PORT
        return int(variable)
    return DEFAULT_PORT if gateway.port is None else gateway.port


def _is_port(number: int) -> bool:
    return 0 <= number <= 65_535


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
