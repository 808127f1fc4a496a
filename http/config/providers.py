"""The providers: those of the file, and the two that exist without one.

`scripted` is always there, `openai` as soon as OPENAI_API_KEY is set; a file that defines either id
takes its place.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from greenroom.actors.settings import ModelSettings, ProviderSettings, Secret, TimeLimits
from greenroom.http.config import schema
from greenroom.http.config.findings import Findings
from greenroom.http.config.nodes import KeyPath

SCRIPTED = ProviderSettings(
    id="scripted", api="scripted", models=(ModelSettings(id="demo", name="Demo"),)
)
OPENAI = "openai"
OPENAI_KEY_VARIABLE = "OPENAI_API_KEY"
OPENAI_URL_VARIABLE = "OPENAI_BASE_URL"
OPENAI_URL = "https://api.openai.com/v1"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED_ID = "openclaw"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_URL_RULE = 'expected an http or https URL with a host, such as "https://api.openai.com/v1"'


class Headers(dict[str, str]):
    """Headers to send, whose values may be secret and do not show."""

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, "…"))


def resolve_providers(
    configured: Mapping[str, schema.Provider], environ: Mapping[str, str], findings: Findings
) -> tuple[ProviderSettings, ...]:
    """Return every provider: the file's in its order, then those that are there by themselves."""
    providers = [
        _provider(name, provider, environ, findings) for name, provider in configured.items()
    ]
    if OPENAI not in configured and environ.get(OPENAI_KEY_VARIABLE, "").strip():
        providers.append(_provider(OPENAI, schema.Provider(), environ, findings))
    if SCRIPTED.id not in configured:
        providers.append(SCRIPTED)
    return tuple(providers)


def key_variable(provider: str) -> str:
    """Name the environment variable of a provider's API key."""
    return f"{re.sub('[^A-Z0-9]', '_', provider.upper())}_API_KEY"


def _provider(
    name: str, provider: schema.Provider, environ: Mapping[str, str], findings: Findings
) -> ProviderSettings:
    path = ("models", "providers", name)
    if not _ID.fullmatch(name):
        findings.problem(path, "a provider's id is 1 to 64 letters, digits, dots, dashes and _")
    if name.lower() == _RESERVED_ID:
        findings.problem(path, f'"{_RESERVED_ID}/…" names agents; call the provider otherwise')
    return ProviderSettings(
        id=name,
        api=provider.api,
        base_url=_base_url(name, provider, environ, findings, path),
        api_key=_api_key(name, provider, environ, findings, path),
        headers=_headers(provider, findings, path),
        models=_models(provider, findings, path),
        limits=TimeLimits(
            connect=provider.timeouts.connect,
            first_byte=provider.timeouts.first_byte,
            silence=provider.timeouts.silence,
        ),
        max_concurrent=provider.max_concurrent,
        max_waiting=provider.max_waiting,
    )


def _base_url(
    name: str,
    provider: schema.Provider,
    environ: Mapping[str, str],
    findings: Findings,
    path: KeyPath,
) -> str:
    path = (*path, "baseUrl")
    url = provider.base_url
    if provider.api == "scripted":
        if url is not None:
            findings.problem(path, 'the api "scripted" has no upstream; leave it out')
        return ""
    if url is not None:
        if fault := _url_fault(url):
            findings.problem(path, fault)
    elif name == OPENAI:
        url = environ.get(OPENAI_URL_VARIABLE, "").strip() or OPENAI_URL
        if fault := _url_fault(url):
            findings.outside(OPENAI_URL_VARIABLE, fault)
    else:
        findings.problem(path, f'is required with the api "{provider.api}"')
        url = ""
    return url.rstrip("/")


def _url_fault(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return _URL_RULE
    if not usable or not url.isprintable() or " " in url:
        return _URL_RULE
    if parts.username is not None or parts.password is not None:
        return "must not hold credentials; use apiKey or headers"
    if parts.query or parts.fragment:
        return "must end with its path, without ? and #"
    return None


def _api_key(
    name: str,
    provider: schema.Provider,
    environ: Mapping[str, str],
    findings: Findings,
    path: KeyPath,
) -> Secret | None:
    if provider.api_key is not None:
        if not provider.api_key.reveal().isascii():
            findings.problem((*path, "apiKey"), "must be ASCII, as it goes into a header")
        return provider.api_key
    variable = key_variable(name)
    value = environ.get(variable, "").strip()
    if not value.isascii() or not value.isprintable():
        findings.outside(variable, "must be printable ASCII, as it goes into a header")
    return Secret(value) if value else None


def _headers(provider: schema.Provider, findings: Findings, path: KeyPath) -> Headers:
    for name, value in provider.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            findings.problem((*path, "headers", name), "is no name of a header")
        elif not value.reveal().isascii():
            findings.problem((*path, "headers", name), "must be ASCII")
    return Headers((name, value.reveal()) for name, value in provider.headers.items())


def _models(
    provider: schema.Provider, findings: Findings, path: KeyPath
) -> tuple[ModelSettings, ...]:
    first: dict[str, KeyPath] = {}
    for index, model in enumerate(provider.models):
        place = (*path, "models", index, "id")
        if model.id in first:
            line = findings.line(first[model.id])
            findings.problem(place, f"the same id as the model on line {line}")
        first.setdefault(model.id, place)
    return tuple(
        ModelSettings(
            id=model.id,
            name=model.name,
            reasoning=model.reasoning,
            input=model.input,
            context_window=model.context_window,
            max_tokens=model.max_tokens,
        )
        for model in provider.models
    )
