"""Which model a name means: an explicit "<provider>/<model>", or a bare id that a provider lists."""

from collections.abc import Sequence

import msgspec

from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.settings import ProviderSettings
from greenroom.actors.turn import Route


class RoutableModel(msgspec.Struct, frozen=True):
    """A model that can be named in a request; `id` is "<provider>/<model>"."""

    id: str
    provider: str


class Router:
    """The models of the configured providers, by name."""

    def __init__(self, providers: Sequence[ProviderSettings]) -> None:
        self._providers = {provider.id for provider in providers}
        self._listed = tuple(
            Route(provider.id, model.id) for provider in providers for model in provider.models
        )
        self._bare: dict[str, Route] = {}
        for route in self._listed:
            self._bare.setdefault(route.model, route)

    @property
    def models(self) -> tuple[RoutableModel, ...]:
        """The listed models, in the configuration's order."""
        return tuple(RoutableModel(str(route), route.provider) for route in self._listed)

    def resolve(self, name: str) -> Route:
        """Return what `name` means.

        An explicit provider takes any model, listed or not: the provider says whether it knows it.
        A bare id that two providers list is the first one's.

        Raises:
            TurnFailed: NOT_FOUND, with the names that are known.
        """
        provider, slash, model = name.partition("/")
        if slash and model and provider in self._providers:
            return Route(provider, model)
        if (listed := self._bare.get(name)) is not None:
            return listed
        known = ", ".join([str(route) for route in self._listed[:20]])
        raise TurnFailed.of(
            FailureKind.NOT_FOUND,
            f"Model '{name}' not found. Known models: {known or 'none'}.",
            param="model",
            code="model_not_found",
        )
