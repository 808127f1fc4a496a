"""A secret is shown by no error and no repr, wherever in the file it was put, by right or by mistake."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.http.config import Configuration, ConfigurationError, load

Load = Callable[..., Configuration]

SECRET = "s3cr3t-word"


def test_no_repr_of_a_configuration_holds_a_secret(load_text: Load) -> None:
    configuration = load_text(
        """{
          gateway: {auth: {token: "s3cr3t-word", password: "s3cr3t-word"}},
          models: {providers: {p: {
            baseUrl: "http://h", apiKey: "s3cr3t-word", headers: {authorization: "s3cr3t-word"},
          }, q: {baseUrl: "http://h"}}},
        }""",
        environ={"Q_API_KEY": SECRET, "OPENAI_API_KEY": SECRET},
    )
    assert SECRET not in repr(configuration)
    assert SECRET not in str(configuration)
    assert configuration.house.providers[0].headers["authorization"] == SECRET


@pytest.mark.parametrize("auth", ["token", "password"])
def test_the_source_of_a_secret_shows_and_the_secret_does_not(load_text: Load, auth: str) -> None:
    variable = f"OPENCLAW_GATEWAY_{auth.upper()}"
    shown = repr(load_text(None, environ={variable: SECRET}).gateway.auth)
    assert "environment" in shown
    assert SECRET not in shown


SECRETS = [
    "gateway: {auth: {token: %s}}",
    "gateway: {auth: {mode: 'token', token: %s, unknown: 1}}",
    "gateway: {auth: {password: %s}}",
    "gateway: {auth: %s}",
    "gateway: %s",
    "models: {providers: {p: {baseUrl: 'http://h', apiKey: %s}}}",
    "models: {providers: {p: {baseUrl: 'http://h', headers: {a: %s}}}}",
    "models: {providers: {p: {baseUrl: 'http://h', headers: %s}}}",
    "models: {providers: {p: {baseUrl: %s}}}",
    "models: {providers: {p: %s}}",
    "models: {providers: %s}",
    "models: {providers: {p: {models: %s}}}",
    "agents: {entries: {a: %s}}",
    "channels: {}, %s",
]
SPELLINGS = [
    "'s3cr3t-word'",
    '"s3cr3t-word',
    "s3cr3t-word",
    "s3cr3t",
    "'s3cr3t-word' 's3cr3t-word'",
    "['s3cr3t-word']",
    "{source: 's3cr3t-word'}",
    "'s3cr3t-word\\x07'",
    "'s3cr3t-wörd'",
    "'http://s3cr3t-word@host'",
    "'${S3CR3T}'",
    "'http://${S3CR3T}@host'",
    "'${NOT_SET}'",
    "'\\u0073\\x33cr3t-word\\q\\9'",
]


@pytest.mark.parametrize("place", SECRETS)
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("also_wrong", ["sessions: 7,", ""])
def test_no_error_holds_a_secret(
    tmp_path: Path, place: str, spelling: str, also_wrong: str
) -> None:
    (tmp_path / "greenroom.json5").write_text("{" + also_wrong + place % spelling + "}")
    try:
        configuration = load(environ={"S3CR3T": SECRET}, cwd=tmp_path, home=tmp_path)
    except ConfigurationError as error:
        told = "".join(traceback.format_exception(error)) + repr(error) + repr(error.problems)
        assert "s3cr3t" not in told
    else:
        assert "s3cr3t" not in repr(configuration)


LEAVES = [
    "gateway: {port: %s}",
    "gateway: {bind: %s}",
    "gateway: {bind: 'custom', customBindHost: %s}",
    "gateway: {auth: {mode: %s}}",
    "models: {providers: {p: {api: %s}}}",
    "models: {providers: {p: {baseUrl: %s}}}",
    "models: {providers: {p: {baseUrl: 'http://h', models: [{id: %s}, {id: %s}]}}}",
    "agents: {defaults: {model: %s}}",
    "agents: {list: [{id: %s}, {id: %s}]}",
    "logging: {level: %s}",
    "sessions: {maxLive: %s}",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secrets")


@settings(deadline=None)
@given(st.sampled_from(LEAVES), st.sampled_from(["", "x/", "/", " "]))
def test_what_a_variable_gave_is_never_quoted(folder: Path, leaf: str, before: str) -> None:
    (folder / "greenroom.json5").write_text("{" + leaf.replace("%s", f"'{before}${{V}}'") + "}")
    with pytest.raises(ConfigurationError) as caught:
        load(environ={"V": SECRET}, cwd=folder, home=folder)
    assert SECRET not in str(caught.value)
