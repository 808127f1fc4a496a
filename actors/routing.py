"""Which model a name means: an alias, "<provider>/<model>", a listed id, or what a pattern says."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

import msgspec

from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.settings import Names, ProviderSettings
from greenroom.actors.turn import Route

_FAMILIES: tuple[tuple[str, str], ...] = (
    *((name, "openai") for name in ("gpt-*", "chatgpt-*", "o[1-9]", "o[1-9]-*", "ft:gpt-*")),
    ("claude-*", "anthropic"),
    *(
        (f"{family}*", "ollama")
        for family in (
            "aya",
            "codellama",
            "command-r",
            "deepseek-r1",
            "gemma",
            "gpt-oss",
            "granite",
            "llama",
            "llava",
            "mistral",
            "mixtral",
            "nemotron",
            "phi",
            "qwen",
            "qwq",
            "smollm",
            "starcoder",
            "tinyllama",
        )
    ),
)
"""Where well-known names go by themselves, once what is configured says nothing of them."""

_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}

_SHOWN = 20

_NO_NAMES = Names()


class RoutableModel(msgspec.Struct, frozen=True):
    """A model that can be named in a request: `id` is "<provider>/<model>", or an alias."""

    id: str
    provider: str


class Router:
    """The models of the configured providers, by name."""

    def __init__(self, providers: Sequence[ProviderSettings], names: Names = _NO_NAMES) -> None:
        self._providers = {provider.id for provider in providers}
        self._listed = tuple(
            Route(provider.id, model.id) for provider in providers for model in provider.models
        )
        self._bare: dict[str, Route] = {}
        for route in self._listed:
            self._bare.setdefault(route.model, route)
        self._aliases = {alias: route_of(name) for alias, name in names.aliases.items()}
        # Of two families the more special one: "gpt-oss" is no model of "gpt-*".
        families = sorted(_FAMILIES, key=lambda family: -len(family[0]))
        self._patterns = (*names.patterns, *families)

    @property
    def models(self) -> tuple[RoutableModel, ...]:
        """The listed models and the aliases, in the configuration's order."""
        listed = (RoutableModel(str(route), route.provider) for route in self._listed)
        aliases = (RoutableModel(alias, route.provider) for alias, route in self._aliases.items())
        return (*listed, *aliases)

    def resolve(self, name: str) -> Route:
        """Return what `name` means.

        An explicit provider takes any model, listed or not: the provider says whether it knows it.
        A bare id that two providers list is the first one's.

        Raises:
            TurnFailed: NOT_FOUND, with the names that are known.
        """
        if (alias := self._aliases.get(name)) is not None:
            return alias
        provider, slash, model = name.partition("/")
        if slash and model and provider in self._providers:
            return Route(provider, model)
        if (listed := self._bare.get(name)) is not None:
            return listed
        for target in self._targets(name):
            route = route_of(target) if "/" in target else Route(target, name)
            if route.provider in self._providers:
                return route
        raise self._unknown(name)

    def _targets(self, name: str) -> Iterator[str]:
        return (target for pattern, target in self._patterns if fnmatchcase(name, pattern))

    def _unknown(self, name: str) -> TurnFailed:
        known = ", ".join([model.id for model in self.models[:_SHOWN]])
        remedy = ""
        if (target := next(self._targets(name), None)) in _KEYS:
            remedy = f" Set {_KEYS[target]} to have it answered by {target}."
        return TurnFailed.of(
            FailureKind.NOT_FOUND,
            f"Model '{name}' not found. Known models: {known or 'none'}.{remedy}",
            param="model",
            code="model_not_found",
        )


def route_of(name: str) -> Route:
    """Return the route that "<provider>/<model>" writes."""
    provider, _, model = name.partition("/")
    return Route(provider, model)
