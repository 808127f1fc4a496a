"""What models are called beside "<provider>/<model>": aliases, and patterns of bare names."""

import re
from collections.abc import Iterable, Mapping

from greenroom.actors.settings import Names, ProviderSettings
from greenroom.http.config import schema
from greenroom.http.config.findings import Findings
from greenroom.http.config.references import check_provider, check_reference

_OF_AGENTS = re.compile(r"openclaw(?:[:/].*)?|agent:.*", re.IGNORECASE)


def resolve_names(
    models: schema.Models, providers: Iterable[ProviderSettings], findings: Findings
) -> Names:
    """Return the names; what they stand for has to be there."""
    known: Mapping[str, ProviderSettings] = {provider.id: provider for provider in providers}
    for alias, target in models.aliases.items():
        path = ("models", "aliases", alias)
        if not alias.strip() or _OF_AGENTS.fullmatch(alias):
            findings.problem(path, "names an agent or nothing; choose another alias")
        check_reference(target, path, known, findings)
    for pattern, target in models.patterns.items():
        path = ("models", "patterns", pattern)
        if not pattern.strip():
            findings.problem(path, 'an empty pattern matches nothing; write "*" for every name')
        if "/" in target:
            check_reference(target, path, known, findings)
        else:
            check_provider(target, path, known, findings)
    return Names(models.aliases, tuple(models.patterns.items()))
