"""A name means one model, or is refused with the names that are known."""

import pytest

from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.routing import RoutableModel, Router
from greenroom.actors.settings import ModelSettings, ProviderSettings
from greenroom.actors.turn import Route


def provider(id_: str, *models: str) -> ProviderSettings:
    return ProviderSettings(id_, "scripted", models=tuple(ModelSettings(m) for m in models))


ROUTER = Router(
    [
        provider("openai", "gpt-4o", "shared"),
        provider("local", "llama3", "shared", "meta/llama-4", "openai/odd", "trailing/"),
        provider("empty"),
    ]
)


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("gpt-4o", Route("openai", "gpt-4o")),
        ("openai/gpt-4o", Route("openai", "gpt-4o")),
        ("llama3", Route("local", "llama3")),
        # An explicit provider takes any model, listed or not.
        ("openai/gpt-next", Route("openai", "gpt-next")),
        ("empty/anything", Route("empty", "anything")),
        ("local/a/b:c@d.e", Route("local", "a/b:c@d.e")),
        ("local/openai/odd", Route("local", "openai/odd")),
        # A bare id that two providers list is the first one's.
        ("shared", Route("openai", "shared")),
        ("local/shared", Route("local", "shared")),
        # A bare id may have a slash in it, unless a provider has that name.
        ("meta/llama-4", Route("local", "meta/llama-4")),
        ("openai/odd", Route("openai", "odd")),
        ("trailing/", Route("local", "trailing/")),
    ],
)
def test_a_name_means(name: str, route: Route) -> None:
    assert ROUTER.resolve(name) == route


@pytest.mark.parametrize(
    "name",
    ["", "gpt-5", "GPT-4o", "gpt-4o ", "nobody/gpt-4o", "openai/", "/gpt-4o", "/", "Openai/gpt-4o"],
)
def test_an_unknown_name_is_refused_and_the_known_are_listed(name: str) -> None:
    with pytest.raises(TurnFailed) as caught:
        ROUTER.resolve(name)
    failure = caught.value.failure
    assert (failure.kind, failure.param, failure.code) == (
        FailureKind.NOT_FOUND,
        "model",
        "model_not_found",
    )
    assert failure.message == (
        f"Model '{name}' not found. Known models: openai/gpt-4o, openai/shared, local/llama3, "
        "local/shared, local/meta/llama-4, local/openai/odd, local/trailing/."
    )


def test_where_no_model_is_listed_the_refusal_says_so() -> None:
    with pytest.raises(TurnFailed, match=r"Known models: none\."):
        Router([provider("empty")]).resolve("gpt-4o")


def test_a_refusal_lists_twenty_models_at_most() -> None:
    router = Router([provider("big", *(f"m{i}" for i in range(100)))])
    with pytest.raises(TurnFailed) as caught:
        router.resolve("x")
    assert caught.value.failure.message.count("big/") == 20


def test_the_listed_models_are_named_with_their_provider_in_order() -> None:
    assert Router([provider("b", "2", "1"), provider("a", "1")]).models == (
        RoutableModel("b/2", "b"),
        RoutableModel("b/1", "b"),
        RoutableModel("a/1", "a"),
    )


def test_every_listed_model_is_found_under_its_listed_name() -> None:
    for model in ROUTER.models:
        assert str(ROUTER.resolve(model.id)) == model.id
