"""References to models, "<provider>/<model>": whether their provider is there, and what to do if not."""

from collections.abc import Mapping
from itertools import islice

from greenroom.actors.settings import ProviderSettings
from greenroom.http.config.findings import Findings
from greenroom.http.config.nodes import KeyPath
from greenroom.http.config.providers import VENDORS
from greenroom.http.config.scalars import suggestion

Known = Mapping[str, ProviderSettings]


def check_reference(reference: str, path: KeyPath, known: Known, findings: Findings) -> None:
    """Note what is wrong with a reference, if anything is."""
    name, _, model = reference.partition("/")
    if name and model:
        check_provider(name, path, known, findings)
        return
    listing = (
        provider
        for provider, settings in known.items()
        if any(listed.id == reference for listed in settings.models)
    )
    provider = next(listing, None)
    hint = f'; put "{provider}/" before it' if provider else ""
    findings.problem(path, f'expected "<provider>/<model>", got {findings.shown(path)}{hint}')


def check_provider(name: str, path: KeyPath, known: Known, findings: Findings) -> None:
    """Note that there is no such provider, if that is so."""
    if name in known or findings.within(("models", "providers", name)):
        return
    vendor = VENDORS.get(name)
    if vendor is not None and vendor.key_variable is not None:
        hint = f"; set {vendor.key_variable} or define models.providers.{name}"
    else:
        hint = suggestion(name, tuple(known)) or f"; known are {', '.join(islice(known, 8))}"
    findings.problem(path, f"no such provider in {findings.shown(path)}{hint}")
