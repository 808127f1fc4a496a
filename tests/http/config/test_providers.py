from collections.abc import Callable

import pytest

from greenroom.actors.settings import (
    Cooldown,
    Cost,
    ModelSettings,
    Names,
    ProviderSettings,
    Retry,
    Secret,
    TimeLimits,
)
from greenroom.http.config import Configuration

Load = Callable[..., Configuration]
Problems = Callable[..., list[str]]

TOKEN = {"OPENCLAW_GATEWAY_TOKEN": "t"}


def ids(configuration: Configuration) -> list[str]:
    return [provider.id for provider in configuration.house.providers]


def test_a_provider_is_taken_over_whole(load_text: Load) -> None:
    provider = load_text(
        """{models: {providers: {local: {
          api: "openai-completions", baseUrl: "http://127.0.0.1:8000/v1/", apiKey: "k",
          headers: {"x-a": "b"}, maxConcurrent: 3, maxWaiting: 0,
          timeouts: {connect: 1, firstByte: 2, silence: 3.5},
          retry: {times: 0, firstSeconds: 1, mostSeconds: 2},
          cooldown: {failures: 3, seconds: 4, mostSeconds: 5},
          models: [{id: "org/m:1", name: "M", reasoning: true, input: ["text", "image"],
                    cost: {input: 1, output: 2.5, cacheRead: 0, cacheWrite: 0},
                    contextWindow: 128e3, maxTokens: 4096}, {id: "m"}],
        }}}}"""
    ).house.providers[0]
    assert provider == ProviderSettings(
        id="local",
        api="openai-completions",
        base_url="http://127.0.0.1:8000/v1",
        api_key=Secret("k"),
        headers={"x-a": "b"},
        models=(
            ModelSettings(
                "org/m:1", "M", True, ("text", "image"), 128_000, 4096, Cost(1.0, 2.5, 0.0, 0.0)
            ),
            ModelSettings("m"),
        ),
        limits=TimeLimits(1.0, 2.0, 3.5),
        max_concurrent=3,
        max_waiting=0,
        retry=Retry(0, 1.0, 2.0),
        cooldown=Cooldown(3, 4.0, 5.0),
    )


def test_what_a_provider_leaves_out_has_the_defaults_of_its_settings(load_text: Load) -> None:
    text = "{models: {providers: {p: {baseUrl: 'https://h'}}}}"
    assert load_text(text).house.providers[0] == ProviderSettings(
        id="p", api="openai-completions", base_url="https://h"
    )


def test_scripted_is_there_unless_the_file_defines_it(load_text: Load) -> None:
    assert ids(load_text("{}")) == ["ollama", "scripted"]
    configuration = load_text(
        "{models: {providers: {scripted: {api: 'scripted', models: [{id: 'mine'}]}}}}"
    )
    assert ids(configuration) == ["scripted", "ollama"]
    assert configuration.house.providers[0].models == (ModelSettings("mine"),)


def test_openai_is_there_with_its_key_unless_the_file_defines_it(load_text: Load) -> None:
    environ = TOKEN | {"OPENAI_API_KEY": "k"}
    openai = load_text("{}", environ=environ).house.providers[0]
    assert openai == ProviderSettings(
        id="openai",
        api="openai-completions",
        base_url="https://api.openai.com/v1",
        api_key=Secret("k"),
    )
    assert ids(load_text(None, environ=environ)) == ["openai", "ollama", "scripted"]
    assert ids(load_text("{}", environ=TOKEN | {"OPENAI_API_KEY": " "})) == [
        "ollama", "scripted",
    ]  # fmt: skip
    text = "{models: {providers: {openai: {baseUrl: 'http://h'}}}}"
    assert load_text(text, environ=environ).house.providers[0].base_url == "http://h"


def test_the_url_of_openai_is_the_environments(load_text: Load, problems_of: Problems) -> None:
    environ = TOKEN | {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://proxy/v1/"}
    assert load_text("{}", environ=environ).house.providers[0].base_url == "http://proxy/v1"
    text = "{models: {providers: {openai: {}}}}"
    assert load_text(text, environ=environ).house.providers[0].base_url == "http://proxy/v1"
    assert problems_of("{}", environ=environ | {"OPENAI_BASE_URL": "proxy"}) == [
        "OPENAI_BASE_URL: expected an http or https URL with a host, "
        'such as "https://api.openai.com/v1"'
    ]


def test_anthropic_is_there_with_its_key_and_speaks_its_own_api(load_text: Load) -> None:
    environ = TOKEN | {"ANTHROPIC_API_KEY": "k"}
    anthropic = load_text("{}", environ=environ).house.providers[0]
    assert (anthropic.id, anthropic.api) == ("anthropic", "anthropic-messages")
    assert anthropic.base_url == "https://api.anthropic.com"
    assert anthropic.api_key == Secret("k")
    text = "{models: {providers: {anthropic: {models: [{id: 'claude-x'}]}}}}"
    assert load_text(text, environ=environ).house.providers[0].api == "anthropic-messages"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("10.0.0.7", "http://10.0.0.7:11434"),
        ("gpu.lan:8080", "http://gpu.lan:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:11434"),  # noqa: S104 - what a server listens on
        ("[::]:9000", "http://[::1]:9000"),
        ("http://gpu.lan", "http://gpu.lan:80"),
        ("https://gpu.lan/ollama/", "https://gpu.lan:443/ollama"),
    ],
)
def test_ollama_is_always_there_where_its_variable_says(
    load_text: Load, host: str, url: str
) -> None:
    ollama = load_text("{}", environ=TOKEN | {"OLLAMA_HOST": host}).house.providers[0]
    assert (ollama.id, ollama.api, ollama.base_url) == ("ollama", "ollama", url)


@pytest.mark.parametrize("host", ["a b", "me:word@gpu.lan", "gpu.lan:99999", "gpu.lan?a"])
def test_a_variable_that_makes_no_address_is_refused(problems_of: Problems, host: str) -> None:
    (problem,) = problems_of("{}", environ=TOKEN | {"OLLAMA_HOST": host})
    assert problem.startswith("OLLAMA_HOST: ")


def test_names_are_taken_over_in_their_order(load_text: Load) -> None:
    house = load_text(
        """{models: {
          aliases: {fast: "scripted/demo", "gpt-4o": "ollama/llama3"},
          patterns: {"z-*": "scripted", "a-*": "ollama/llama3"},
          patienceSeconds: 30,
        }}"""
    ).house
    assert house.names == Names(
        {"fast": "scripted/demo", "gpt-4o": "ollama/llama3"},
        (("z-*", "scripted"), ("a-*", "ollama/llama3")),
    )
    assert house.patience == 30


@pytest.mark.parametrize(
    ("models", "problem"),
    [
        (
            "aliases: {fast: 'demo'}",
            'aliases.fast: expected "<provider>/<model>", got "demo"; put "scripted/" before it',
        ),
        (
            "aliases: {fast: 'scriptd/demo'}",
            'aliases.fast: no such provider in "scriptd/demo"; did you mean "scripted"?',
        ),
        (
            "aliases: {'openclaw:x': 'scripted/demo'}",
            'aliases["openclaw:x"]: names an agent or nothing; choose another alias',
        ),
        (
            "patterns: {'gpt-*': 'openai'}",
            'patterns["gpt-*"]: no such provider in "openai"; set OPENAI_API_KEY or define '
            "models.providers.openai",
        ),
        (
            "patterns: {'': 'scripted'}",
            'patterns[""]: an empty pattern matches nothing; write "*" for every name',
        ),
    ],
)
def test_names_that_do_not_fit_are_refused_at_their_key(
    problems_of: Problems, models: str, problem: str
) -> None:
    assert problems_of(f"{{models: {{\n {models}}}}}") == [f"greenroom.json5:2: models.{problem}"]


@pytest.mark.parametrize(
    ("name", "variable"), [("local", "LOCAL_API_KEY"), ("my-own.2", "MY_OWN_2_API_KEY")]
)
def test_a_key_is_the_files_then_the_environments(
    load_text: Load, name: str, variable: str
) -> None:
    text = f"{{models: {{providers: {{'{name}': {{baseUrl: 'http://h', %s}}}}}}}}"
    environ = TOKEN | {variable: "from-environment\n"}

    def key(text: str, environ: dict[str, str]) -> Secret | None:
        return load_text(text, environ=environ).house.providers[0].api_key

    assert key(text % "apiKey: 'k'", environ) == Secret("k")
    assert key(text % "", environ) == Secret("from-environment")
    assert key(text % "", TOKEN) is None
    assert key(text % "", TOKEN | {variable: " "}) is None


def test_a_key_in_the_environment_has_to_fit_a_header(problems_of: Problems) -> None:
    text = "{models: {providers: {p: {baseUrl: 'http://h'}}}}"
    assert problems_of(text, environ=TOKEN | {"P_API_KEY": "ü"}) == [
        "P_API_KEY: must be printable ASCII, as it goes into a header"
    ]


URL_RULE = 'expected an http or https URL with a host, such as "https://api.openai.com/v1"'


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", URL_RULE),
        ("host/v1", URL_RULE),
        ("ftp://host", URL_RULE),
        ("http://", URL_RULE),
        ("http://:80/v1", URL_RULE),
        ("http://host:99999", URL_RULE),
        ("http://host:0", URL_RULE),
        ("http://[::1/v1", URL_RULE),
        ("http://host/a b", URL_RULE),
        ("http://ho\\nst", URL_RULE),
        ("http://user:word@host", "must not hold credentials; use apiKey or headers"),
        ("http://host/v1?a=b", "must end with its path, without ? and #"),
        ("http://host/v1#a", "must end with its path, without ? and #"),
    ],
)
def test_a_base_url_is_http_with_a_host_and_a_path(
    problems_of: Problems, url: str, message: str
) -> None:
    text = f"{{models: {{providers: {{p: {{\n baseUrl: '{url}'}}}}}}}}"
    assert problems_of(text) == [f"greenroom.json5:2: models.providers.p.baseUrl: {message}"]


@pytest.mark.parametrize(
    ("providers", "problem"),
    [
        (
            "{local: {}}",
            'models.providers.local.baseUrl: is required with the api "openai-completions"',
        ),
        (
            "{local: {api: 'scripted', baseUrl: 'http://h'}}",
            'models.providers.local.baseUrl: the api "scripted" has no upstream; leave it out',
        ),
        (
            "{local: {api: 'anthropic', baseUrl: 'http://h'}}",
            'models.providers.local.api: expected "anthropic-messages", "ollama", '
            '"openai-completions" or "scripted", got "anthropic"; did you mean '
            '"anthropic-messages"?',
        ),
        (
            "{openai: {api: 'ollama'}}",
            'models.providers.openai.baseUrl: is required with the api "ollama"',
        ),
        (
            "{local: {baseUrl: 'http://h', retry: {times: -1}}}",
            "models.providers.local.retry.times: expected an integer of at least 0, got -1",
        ),
        (
            "{local: {baseUrl: 'http://h', cooldown: {seconds: 0}}}",
            "models.providers.local.cooldown.seconds: expected a number above 0 and up to 86400, "
            "got 0",
        ),
        (
            "{'a/b': {baseUrl: 'http://h'}}",
            'models.providers["a/b"]: a provider\'s id is 1 to 64 letters, digits, dots, '
            "dashes and _",
        ),
        (
            "{OpenClaw: {baseUrl: 'http://h'}}",
            'models.providers.OpenClaw: "openclaw/…" names agents; call the provider otherwise',
        ),
        ("{local: 'http://h'}", "models.providers.local: expected an object, got a string"),
        (
            "{local: {baseUrl: 'http://h', apiKey: 'ü'}}",
            "models.providers.local.apiKey: must be ASCII, as it goes into a header",
        ),
        (
            "{local: {baseUrl: 'http://h', headers: {'a b': 'c'}}}",
            'models.providers.local.headers["a b"]: is no name of a header',
        ),
        (
            "{local: {baseUrl: 'http://h', headers: {a: 'ü'}}}",
            "models.providers.local.headers.a: must be ASCII",
        ),
        (
            "{local: {baseUrl: 'http://h', headers: {a: 'b\\r\\nc: d'}}}",
            "models.providers.local.headers.a: must not hold control characters",
        ),
        (
            "{local: {baseUrl: 'http://h', models: {}}}",
            "models.providers.local.models: expected an array, got an object",
        ),
        (
            "{local: {baseUrl: 'http://h', models: [{name: 'x'}]}}",
            "models.providers.local.models[0].id: is required",
        ),
        (
            "{local: {baseUrl: 'http://h', models: [{id: ''}]}}",
            "models.providers.local.models[0].id: must not be empty",
        ),
        (
            "{local: {baseUrl: 'http://h', models: [{id: 'a'}, {id: 'a'}]}}",
            "models.providers.local.models[1].id: the same id as the model on line 2",
        ),
        (
            "{local: {baseUrl: 'http://h', models: [{id: 'a', input: ['text', 'smell']}]}}",
            'models.providers.local.models[0].input[1]: expected "audio", "image", "text" or '
            '"video", got "smell"',
        ),
        (
            "{local: {baseUrl: 'http://h', models: [{id: 'a', maxTokens: 0}]}}",
            "models.providers.local.models[0].maxTokens: expected an integer of at least 1, got 0",
        ),
        (
            "{local: {baseUrl: 'http://h', models: [{id: 'a', cost: {input: -1}}]}}",
            "models.providers.local.models[0].cost.input: expected a number of at least 0, got -1",
        ),
        (
            "{local: {baseUrl: 'http://h', timeouts: {silence: Infinity}}}",
            "models.providers.local.timeouts.silence: expected a number above 0 and up to 86400, "
            "got Infinity",
        ),
        (
            "{local: {baseUrl: 'http://h', maxWaiting: NaN}}",
            "models.providers.local.maxWaiting: expected an integer of at least 0, got NaN",
        ),
    ],
)
def test_a_provider_that_does_not_fit_is_refused_at_its_key(
    problems_of: Problems, providers: str, problem: str
) -> None:
    text = f"{{models: {{\n providers: {providers}}}}}"
    assert problems_of(text) == [f"greenroom.json5:2: {problem}"]
