"""The page docs/configuration.md is true: its example loads, and it knows every key and variable."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import inspect
from msgspec.structs import replace

from greenroom.actors.entries import Sampling
from greenroom.actors.settings import AgentSettings, Bounds, Secret
from greenroom.actors.tools.toolbox import ToolPolicy
from greenroom.http.config import (
    Configuration,
    ConfigurationError,
    HttpLimits,
    TokenAuth,
    schema,
)
from greenroom.http.config.authentication import PASSWORD_VARIABLE, TOKEN_VARIABLE
from greenroom.http.config.find import VARIABLES
from greenroom.http.config.listening import PORT_VARIABLE
from greenroom.http.config.providers import VENDORS

Load = Callable[..., Configuration]

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"
ENVIRON = {"GATEWAY_TOKEN": "gateway", "LOCAL_MODEL_KEY": "local"}


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture
def example(page: str) -> str:
    (example,) = re.findall(r"^```json5\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert isinstance(example, str)
    return example


def keys(info: inspect.Type) -> set[str]:
    match info:
        case inspect.StructType(fields=fields):
            return {field.encode_name for field in fields}.union(
                *(keys(field.type) for field in fields)
            )
        case inspect.DictType(value_type=inner) | inspect.VarTupleType(item_type=inner):
            return keys(inner)
        case inspect.UnionType(types=options):
            return set[str]().union(*map(keys, options))
        case _:
            return set()


def test_the_example_loads_and_means_what_it_says(load_text: Load, example: str) -> None:
    configuration = load_text(example, environ=ENVIRON)
    assert configuration.ignored == ()
    assert configuration.gateway.auth == TokenAuth(Secret("gateway"), "configuration")
    assert configuration.gateway.chat_completions is True
    acting = AgentSettings(
        "main",
        "local/m-1",
        instructions="You are helpful.",
        bounds=Bounds(32, 200_000, 1.5),
        sampling=Sampling(temperature=0.7, top_p=0.95, max_tokens=4096),
        tools=ToolPolicy(("*",), ("*_delete",), ("pay_*",)),
    )
    assert configuration.house.agents == (
        replace(
            acting,
            name="Main",
            fallbacks=("scripted/demo",),
            asks=("beta",),
            reminds=True,
        ),
        replace(
            acting,
            id="beta",
            model="scripted/demo",
            instructions="You are brief.",
            time_limit=60.0,
        ),
    )
    assert configuration.house.providers[0].api_key == Secret("local")


def test_the_examples_numbers_are_the_defaults(load_text: Load, example: str) -> None:
    written, bare = load_text(example, environ=ENVIRON), load_text("{}")
    assert written.gateway.limits == bare.gateway.limits == HttpLimits()
    assert written.gateway.failures == bare.gateway.failures
    assert written.gateway.port == bare.gateway.port
    bounds = replace(written.house.sessions, lifetime=bare.house.sessions.lifetime)
    assert bounds == bare.house.sessions
    assert written.logging == bare.logging
    bare = load_text("{models: {providers: {p: {baseUrl: 'http://h'}}}}")
    assert written.house.providers[0].limits == bare.house.providers[0].limits
    assert written.house.providers[0].max_concurrent == bare.house.providers[0].max_concurrent
    assert written.house.providers[0].max_waiting == bare.house.providers[0].max_waiting


def test_the_example_shows_every_key_but_the_alternatives(example: str) -> None:
    shown = set(re.findall(r"(\w+):", example))
    assert keys(inspect.type_info(schema.File)) - shown == {
        "customBindHost",
        "instructionsFile",
        "password",
        "passwordFile",
        "tokenFile",
        "list",
        "default",
        "consoleStyle",
    }


def test_the_reference_knows_every_key(page: str) -> None:
    reference = page.split("## Reference")[1]
    known = {
        part
        for quoted in re.findall(r"`([^`]+)`", reference)
        for part in re.findall(r"\w+", quoted)
    }
    known |= {
        part
        for heading in re.findall(r"^### (.*)$", reference, re.MULTILINE)
        for part in re.findall(r"\w+", heading)
    }
    assert keys(inspect.type_info(schema.File)) - known == set()


def test_the_page_knows_every_variable(page: str) -> None:
    variables = {
        TOKEN_VARIABLE, PASSWORD_VARIABLE, PORT_VARIABLE, *VARIABLES,
        *(vendor.url_variable for vendor in VENDORS.values()),
        *(vendor.key_variable for vendor in VENDORS.values() if vendor.key_variable),
    }  # fmt: skip
    assert {variable for variable in variables if f"`{variable}`" not in page} == set()


def test_the_pages_error_is_the_one_that_is_shown(load_text: Load, page: str) -> None:

    with pytest.raises(ConfigurationError) as caught:
        load_text("\n" * 11 + '{gateway: {port: "abc"}}')
    assert str(caught.value) in page
