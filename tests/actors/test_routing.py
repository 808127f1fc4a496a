"""A name means one model, or is refused with the names that are known."""

import pytest

from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.routing import RoutableModel, Router
from greenroom.actors.settings import ModelSettings, Names, ProviderSettings
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
    ["", "GPT-4o", "m-1", "nobody/gpt-4o", "openai/", "/gpt-4o", "/", "Openai/gpt-4o"],
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
        Router([provider("empty")]).resolve("m")


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


WELL_KNOWN = [provider("openai"), provider("anthropic"), provider("ollama"), provider("local")]


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("gpt-4o", "openai"),
        ("gpt-5-mini", "openai"),
        ("chatgpt-4o-latest", "openai"),
        ("o3", "openai"),
        ("o4-mini", "openai"),
        ("ft:gpt-4o:acme::1", "openai"),
        ("claude-sonnet-4-20250514", "anthropic"),
        ("llama3", "ollama"),
        ("llama3:8b", "ollama"),
        ("qwen2.5-coder:7b", "ollama"),
        ("mistral-small", "ollama"),
        ("deepseek-r1:70b", "ollama"),
        # A family within another's pattern.
        ("gpt-oss:20b", "ollama"),
    ],
)
def test_a_well_known_name_goes_to_its_vendor(name: str, at: str) -> None:
    assert Router(WELL_KNOWN).resolve(name) == Route(at, name)


@pytest.mark.parametrize(
    ("name", "variable", "vendor"),
    [
        ("gpt-4o", "OPENAI_API_KEY", "openai"),
        ("claude-3-haiku", "ANTHROPIC_API_KEY", "anthropic"),
    ],
)
def test_without_its_vendor_the_refusal_says_which_variable_is_missing(
    name: str, variable: str, vendor: str
) -> None:
    with pytest.raises(TurnFailed) as caught:
        Router([provider("local", "m")]).resolve(name)
    assert caught.value.failure.message == (
        f"Model '{name}' not found. Known models: local/m. Set {variable} to have it answered by "
        f"{vendor}."
    )


NAMES = Names(
    aliases={"fast": "local/m-1", "gpt-4o": "local/m-2", "local/best": "openai/gpt-5"},
    patterns=(("gpt-4*", "local"), ("our-*", "local/m-1"), ("*-gone", "nobody"), ("o1", "local/o")),
)


@pytest.mark.parametrize(
    ("name", "route"),
    [
        # An alias comes before everything else, and may look like anything.
        ("fast", Route("local", "m-1")),
        ("gpt-4o", Route("local", "m-2")),
        ("local/best", Route("openai", "gpt-5")),
        # A pattern to a provider keeps the name; one to a model does not.
        ("gpt-4.1", Route("local", "gpt-4.1")),
        ("our-own", Route("local", "m-1")),
        # Its own patterns come before the well-known ones, in order.
        ("o1", Route("local", "o")),
        # An explicit provider and a listed id come before patterns.
        ("openai/gpt-4.1", Route("openai", "gpt-4.1")),
        ("our-listed", Route("openai", "our-listed")),
        # What matches no pattern of its own still goes to its vendor.
        ("gpt-5", Route("openai", "gpt-5")),
        # A pattern to a provider that is not there is passed over.
        ("gpt-gone", Route("openai", "gpt-gone")),
    ],
)
def test_what_is_configured_comes_before_what_is_well_known(name: str, route: Route) -> None:
    router = Router([provider("openai", "our-listed"), provider("local")], NAMES)
    assert router.resolve(name) == route


def test_aliases_are_shown_among_the_models() -> None:
    models = Router([provider("local", "m-1"), provider("openai")], NAMES).models
    assert [model.id for model in models] == ["local/m-1", "fast", "gpt-4o", "local/best"]
    assert models[-1] == RoutableModel("local/best", "openai")
