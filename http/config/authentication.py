"""Who may call the gateway: the mode, and the secret with its source.

As in the existing product, the file's secret goes before the environment's, and without a mode a
password from either makes it "password", else it is "token".
"""

import secrets
from collections.abc import Mapping

from greenroom.actors.settings import Secret
from greenroom.http.config import schema
from greenroom.http.config.configuration import (
    Auth,
    NoAuth,
    PasswordAuth,
    SecretSource,
    TokenAuth,
)
from greenroom.http.config.findings import Findings
from greenroom.http.config.listening import is_loopback

TOKEN_VARIABLE = "OPENCLAW_GATEWAY_TOKEN"  # noqa: S105 - its name
PASSWORD_VARIABLE = "OPENCLAW_GATEWAY_PASSWORD"  # noqa: S105 - its name

_AUTH = ("gateway", "auth")
_Given = tuple[Secret, SecretSource] | None


def resolve_auth(
    auth: schema.Auth,
    host: str,
    environ: Mapping[str, str],
    findings: Findings,
    *,
    generate: bool,
) -> Auth:
    """Return how callers authenticate; `generate` makes a token up where none was given."""
    token = _given(auth.token, TOKEN_VARIABLE, environ, findings)
    password = _given(auth.password, PASSWORD_VARIABLE, environ, findings)
    mode = auth.mode or ("token" if password is None else "password")
    if token is None and generate:
        token = Secret(secrets.token_urlsafe(32)), "generated"
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
            return PasswordAuth(*_required("password", password, PASSWORD_VARIABLE, findings))
        case "token":
            return TokenAuth(*_required("token", token, TOKEN_VARIABLE, findings))


def _given(
    configured: Secret | None, variable: str, environ: Mapping[str, str], findings: Findings
) -> _Given:
    if configured is not None:
        return configured, "configuration"
    value = environ.get(variable, "").strip()
    if not value:
        return None
    if not value.isprintable():
        findings.outside(variable, "must not hold control characters")
    return Secret(value), "environment"


def _required(
    key: str, given: _Given, variable: str, findings: Findings
) -> tuple[Secret, SecretSource]:
    if given is None:
        findings.problem((*_AUTH, key), f"no {key} anywhere; set gateway.auth.{key} or {variable}")
        return Secret(""), "configuration"
    return given
