"""Who may call the gateway: the mode, and the secret with its source.

As in the existing product, the file's secret goes before the environment's, and without a mode a
password from either makes it "password", else it is "token".
"""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from greenroom.actors.settings import Secret
from greenroom.http.config import schema
from greenroom.http.config.configuration import (
    Auth,
    NoAuth,
    PasswordAuth,
    SecretSource,
    TokenAuth,
)
from greenroom.http.config.find import expand
from greenroom.http.config.findings import Findings
from greenroom.http.config.listening import is_loopback
from greenroom.http.config.secret_file import NoSecret, read_secret

TOKEN_VARIABLE = "OPENCLAW_GATEWAY_TOKEN"  # noqa: S105 - its name
PASSWORD_VARIABLE = "OPENCLAW_GATEWAY_PASSWORD"  # noqa: S105 - its name

_AUTH = ("gateway", "auth")
_Key = Literal["token", "password"]


class _Given(NamedTuple):
    secret: Secret
    source: SecretSource
    file: Path | None = None


def resolve_auth(
    auth: schema.Auth,
    host: str,
    source: Path | None,
    environ: Mapping[str, str],
    home: Path,
    findings: Findings,
) -> Auth:
    """Return how callers authenticate; without a configuration file `source` a token is made up."""
    given: dict[_Key, _Given | None] = {
        "token": _given("token", auth.token, auth.token_file, source, home, findings)
        or _from_environment(TOKEN_VARIABLE, environ, findings),
        "password": _given("password", auth.password, auth.password_file, source, home, findings)
        or _from_environment(PASSWORD_VARIABLE, environ, findings),
    }
    mode = auth.mode or ("token" if given["password"] is None else "password")
    if given["token"] is None and source is None:
        given["token"] = _Given(Secret(secrets.token_urlsafe(32)), "generated")
    if findings.within(_AUTH):
        return NoAuth()
    match mode:
        case "none" if not is_loopback(host):
            findings.problem(
                (*_AUTH, "mode"),
                f"refused on {host}: without authentication only loopback may be bound; "
                'set mode "token" or bind "loopback"',
            )
            return NoAuth()
        case "none":
            return NoAuth()
        case "password":
            return PasswordAuth(*_required("password", given, PASSWORD_VARIABLE, findings))
        case "token":
            return TokenAuth(*_required("token", given, TOKEN_VARIABLE, findings))


def _given(
    key: _Key,
    secret: Secret | None,
    file: str | None,
    source: Path | None,
    home: Path,
    findings: Findings,
) -> _Given | None:
    path = (*_AUTH, f"{key}File")
    if file is None or source is None:
        return None if secret is None else _Given(secret, "configuration")
    if secret is not None:
        findings.problem(path, f"given beside gateway.auth.{key}; leave one of them out")
        return None
    found = source.parent / expand(file, home)
    try:
        return _Given(read_secret(found), "file", found)
    except NoSecret as fault:
        findings.problem(path, str(fault))
        return None


def _from_environment(
    variable: str, environ: Mapping[str, str], findings: Findings
) -> _Given | None:
    value = environ.get(variable, "").strip()
    if not value:
        return None
    if not value.isprintable():
        findings.outside(variable, "must not hold control characters")
    return _Given(Secret(value), "environment")


def _required(
    key: _Key, given: Mapping[_Key, _Given | None], variable: str, findings: Findings
) -> _Given:
    found = given[key]
    if found is None:
        findings.problem((*_AUTH, key), f"no {key} anywhere; set gateway.auth.{key} or {variable}")
        return _Given(Secret(""), "configuration")
    return found
