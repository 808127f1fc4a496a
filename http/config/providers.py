"""The providers: those of the file, and the well-known ones that exist without one.

`scripted` and `ollama` are always there, `openai` and `anthropic` as soon as their key is set; a file
that defines an id of these takes its place, with the vendor's api and address where it names none.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from greenroom.actors.settings import (
    Cooldown,
    Cost,
    ModelSettings,
    ProviderSettings,
    Retry,
    Secret,
    TimeLimits,
)
from greenroom.http.config import schema
from greenroom.http.config.addresses import ollama_url, url_fault
from greenroom.http.config.findings import Findings
from greenroom.http.config.nodes import KeyPath
from greenroom.http.config.sections import Api


class Vendor(NamedTuple):
    """A provider that is known by its id: where it is, and the variables that say so."""

    api: Api
    url: str
    url_variable: str
    key_variable: str | None


VENDORS = {
    "openai": Vendor(
        "openai-completions", "https://api.openai.com/v1", "OPENAI_BASE_URL", "OPENAI_API_KEY"
    ),
    "anthropic": Vendor(
        "anthropic-messages", "https://api.anthropic.com", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"
    ),
    "ollama": Vendor("ollama", "http://127.0.0.1:11434", "OLLAMA_HOST", None),
}

_AT_ONCE = Retry(times=0)
_NEVER = Cooldown(failures=0)
SCRIPTED = ProviderSettings(
    id="scripted",
    api="scripted",
    models=(ModelSettings(id="demo", name="Demo"),),
    retry=_AT_ONCE,
    cooldown=_NEVER,
)

_LOADS_FIRST_S = 90.0
"""How long an Ollama may take to its first byte, for it loads its model before that."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED_ID = "openclaw"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


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
    for name, vendor in VENDORS.items():
        has_key = vendor.key_variable is None or environ.get(vendor.key_variable, "").strip()
        if name not in configured and has_key:
            providers.append(_provider(name, schema.Provider(), environ, findings))
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
    vendor = VENDORS.get(name)
    api = provider.api or (vendor.api if vendor else "openai-completions")
    retry, cooldown = provider.retry, provider.cooldown
    # A script fails where it was told to, and is to be heard at once.
    retries, failures = (
        (_AT_ONCE.times, _NEVER.failures)
        if api == "scripted"
        else (Retry().times, Cooldown().failures)
    )
    first_byte = _LOADS_FIRST_S if api == "ollama" else TimeLimits().first_byte
    return ProviderSettings(
        id=name,
        api=api,
        base_url=_base_url(name, api, provider, environ, findings, path),
        api_key=_api_key(name, provider, environ, findings, path),
        headers=_headers(provider, findings, path),
        models=_models(provider, findings, path),
        limits=TimeLimits(
            connect=provider.timeouts.connect,
            first_byte=provider.timeouts.first_byte or first_byte,
            silence=provider.timeouts.silence,
        ),
        max_concurrent=provider.max_concurrent,
        max_waiting=provider.max_waiting,
        retry=Retry(
            times=retries if retry.times is None else retry.times,
            first=retry.first_seconds,
            most=retry.most_seconds,
        ),
        cooldown=Cooldown(
            failures=failures if cooldown.failures is None else cooldown.failures,
            seconds=cooldown.seconds,
            most=cooldown.most_seconds,
        ),
    )


def _base_url(
    name: str,
    api: Api,
    provider: schema.Provider,
    environ: Mapping[str, str],
    findings: Findings,
    path: KeyPath,
) -> str:
    path = (*path, "baseUrl")
    url = provider.base_url
    vendor = VENDORS.get(name)
    if api == "scripted":
        if url is not None:
            findings.problem(path, 'the api "scripted" has no upstream; leave it out')
        return ""
    if url is not None:
        if fault := url_fault(url):
            findings.problem(path, fault)
    elif vendor is not None and vendor.api == api:
        url = environ.get(vendor.url_variable, "").strip() or vendor.url
        if name == "ollama":
            url = ollama_url(url)
        if fault := url_fault(url):
            findings.outside(vendor.url_variable, fault)
    else:
        findings.problem(path, f'is required with the api "{api}"')
        url = ""
    return url.rstrip("/")


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
            cost=_cost(model.cost),
        )
        for model in provider.models
    )


def _cost(cost: schema.Cost | None) -> Cost | None:
    if cost is None:
        return None
    return Cost(cost.input, cost.output, cost.cache_read, cost.cache_write)
