"""From what the file says to what the program is to do: the parts, put together."""

from collections.abc import Mapping
from pathlib import Path

from greenroom.actors.settings import HouseSettings
from greenroom.http.config import schema
from greenroom.http.config.acting import Places
from greenroom.http.config.agents import resolve_agents
from greenroom.http.config.authentication import resolve_auth
from greenroom.http.config.configuration import (
    Configuration,
    FailureLimits,
    Gateway,
    ImageLimits,
    LogFormat,
    Logging,
)
from greenroom.http.config.edge import (
    resolve_hosts,
    resolve_limits,
    resolve_origins,
    resolve_tls,
)
from greenroom.http.config.findings import Findings
from greenroom.http.config.listening import resolve_host, resolve_port
from greenroom.http.config.names import resolve_names
from greenroom.http.config.providers import resolve_providers
from greenroom.http.config.sessions import resolve_retention, resolve_sessions
from greenroom.http.config.storing import resolve_store

_CONSOLE_STYLES: Mapping[str, LogFormat] = {
    "pretty": "console",
    "compact": "console",
    "json": "json",
}


def resolve(
    file: schema.File,
    source: Path | None,
    port: int | None,
    environ: Mapping[str, str],
    home: Path,
    findings: Findings,
) -> Configuration:
    """Return the configuration, which means something only if `findings` has no problem after it.

    `source` is None for the embedded default, which alone may make its token up. `home` is the user's
    folder.
    """
    gateway = _gateway(file.gateway, source, port, environ, home, findings)
    house = _house(file, Places(source, home), environ, findings)
    store = resolve_store(file.store, source, environ, home, findings)
    logging = _logging(file.logging, findings)
    return Configuration(
        gateway=gateway,
        house=house,
        store=store,
        logging=logging,
        source=source,
        ignored=findings.ignored,
    )


def _gateway(
    gateway: schema.Gateway,
    source: Path | None,
    port: int | None,
    environ: Mapping[str, str],
    home: Path,
    findings: Findings,
) -> Gateway:
    host = resolve_host(gateway, findings)
    http, failures = gateway.http, gateway.auth.rate_limit
    images = http.endpoints.chat_completions.images
    auth = resolve_auth(gateway.auth, host, source, environ, home, findings)
    return Gateway(
        host=host,
        port=resolve_port(gateway, port, environ, findings),
        auth=auth,
        failures=FailureLimits(
            attempts=failures.max_attempts,
            window=failures.window_ms / 1000,
            lockout=failures.lockout_ms / 1000,
            exempt_loopback=failures.exempt_loopback,
        ),
        chat_completions=http.endpoints.chat_completions.enabled,
        session_from_user=http.endpoints.chat_completions.session_from_user,
        responses=http.endpoints.responses.enabled,
        responses_from_user=http.endpoints.responses.session_from_user,
        limits=resolve_limits(http.limits),
        hosts=resolve_hosts(http.hosts, findings),
        cors=resolve_origins(http.cors.origins, auth, findings),
        http1=http.http1,
        tls=resolve_tls(gateway.tls, source, home, findings),
        images=ImageLimits(
            allow_url=images.allow_url,
            url_allowlist=images.url_allowlist,
            max_urls=images.max_urls,
            max_bytes=images.max_bytes,
            max_redirects=images.max_redirects,
            timeout=images.timeout_ms / 1000,
            allowed_types=images.allowed_mimes,
        ),
    )


def _house(
    file: schema.File, places: Places, environ: Mapping[str, str], findings: Findings
) -> HouseSettings:
    providers = resolve_providers(file.models.providers, environ, findings)
    household = resolve_agents(file.agents, providers, places, findings)
    return HouseSettings(
        agents=household.agents,
        default_agent=household.default,
        providers=providers,
        sessions=resolve_sessions(file.sessions, findings),
        retention=resolve_retention(file.sessions.retention),
        names=resolve_names(file.models, providers, findings),
        patience=file.models.patience_seconds,
        agent_defaults=household.defaults,
        names_agents=household.names_agents,
    )


def _logging(logging: schema.Logging, findings: Findings) -> Logging:
    style = logging.console_style
    if logging.format is not None and style is not None:
        findings.ignore(("logging", "consoleStyle"))
    if logging.format is not None or style is None:
        return Logging(level=logging.level, format=logging.format or "auto")
    return Logging(level=logging.level, format=_CONSOLE_STYLES[style])
