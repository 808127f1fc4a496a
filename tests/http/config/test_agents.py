import math
from collections.abc import Callable

import pytest

from greenroom.actors.settings import AgentSettings
from greenroom.http.config import Configuration

Load = Callable[..., Configuration]
Problems = Callable[..., list[str]]

PROVIDERS = "models: {providers: {empty: {baseUrl: 'http://h'}, p: {baseUrl: 'http://h', models: [{id: 'm'}, {id: 'n'}]}}}"  # noqa: E501 - one line, so that tests can count


def agents(load_text: Load, text: str) -> tuple[AgentSettings, ...]:
    return load_text(f"{{{PROVIDERS}, agents: {text}}}").house.agents


def test_without_agents_there_is_main(load_text: Load) -> None:
    for text in ("{}", "{entries: {}}", "{list: []}"):
        house = load_text(f"{{agents: {text}}}").house
        assert house.agents == (AgentSettings(id="main", model="scripted/demo"),)
        assert house.default_agent == "main"


def test_without_a_default_model_it_is_the_first_that_is_listed(load_text: Load) -> None:
    assert agents(load_text, "{}")[0].model == "p/m"
    assert agents(load_text, "{entries: {a: {}}}")[0].model == "p/m"
    assert agents(load_text, "{defaults: {model: {fallbacks: []}}}")[0].model == "p/m"


@pytest.mark.parametrize(
    "model", ["'p/unlisted'", "{primary: 'p/unlisted'}", "{primary: 'p/unlisted', fallbacks: []}"]
)
def test_a_model_is_a_reference_with_or_without_fallbacks(load_text: Load, model: str) -> None:
    assert agents(load_text, f"{{defaults: {{model: {model}}}}}")[0].model == "p/unlisted"
    assert agents(load_text, f"{{entries: {{a: {{model: {model}}}}}}}")[0].model == "p/unlisted"


def test_fallbacks_are_the_agents_or_the_defaults(load_text: Load) -> None:
    text = """{
      defaults: {model: {primary: "p/m", fallbacks: ["p/n", "scripted/demo"]}},
      entries: {
        a: {}, b: {model: {primary: "p/o"}}, c: {model: {fallbacks: ["p/q"]}},
        d: {model: "p/o"}, e: {model: {fallbacks: []}},
      },
    }"""
    found = {agent.id: (agent.model, agent.fallbacks) for agent in agents(load_text, text)}
    both = ("p/n", "scripted/demo")
    assert found == {
        "a": ("p/m", both),
        "b": ("p/o", both),
        "c": ("p/m", ("p/q",)),
        "d": ("p/o", ()),
        "e": ("p/m", ()),
    }


def test_a_model_may_hold_slashes(load_text: Load) -> None:
    assert agents(load_text, "{defaults: {model: 'p/org/m'}}")[0].model == "p/org/m"


def test_an_agent_has_its_own_or_the_defaults(load_text: Load) -> None:
    text = """{
      defaults: {model: "p/n", instructions: "default", timeoutSeconds: 5},
      entries: {
        a: {},
        b: {name: "B", model: "scripted/demo", instructions: "", timeoutSeconds: 0.5},
      },
    }"""
    assert agents(load_text, text) == (
        AgentSettings("a", "p/n", None, "default", 5.0),
        AgentSettings("b", "scripted/demo", "B", "", 0.5),
    )


def test_a_time_of_zero_is_no_limit(load_text: Load) -> None:
    text = "{defaults: {timeoutSeconds: 0}, entries: {a: {}, b: {timeoutSeconds: 1}}}"
    assert [agent.time_limit for agent in agents(load_text, text)] == [math.inf, 1.0]
    text = "{entries: {a: {timeoutSeconds: 0}}}"
    assert [agent.time_limit for agent in agents(load_text, text)] == [math.inf]


def test_ids_count_in_lower_case(load_text: Load) -> None:
    house = load_text("{agents: {entries: {Main: {}, 'B-e_T4': {}}}}").house
    assert [agent.id for agent in house.agents] == ["main", "b-e_t4"]
    assert house.default_agent == "main"


@pytest.mark.parametrize(
    ("text", "default"),
    [
        ("{entries: {a: {}, main: {}}}", "main"),
        ("{entries: {a: {}, b: {}}}", "a"),
        ("{entries: {a: {}, b: {default: true}, main: {}}}", "b"),
        ("{list: [{id: 'a'}, {id: 'Main'}]}", "main"),
        ("{list: [{id: 'a'}, {id: 'b'}]}", "a"),
        ("{list: [{id: 'main'}, {id: 'B', default: true}]}", "b"),
        ("{list: [{id: 'main', default: false}]}", "main"),
    ],
)
def test_the_default_agent_is_the_marked_one_then_main_then_the_first(
    load_text: Load, text: str, default: str
) -> None:
    assert load_text(f"{{agents: {text}}}").house.default_agent == default


ID_RULE = (
    "an agent's id is 1 to 64 letters, digits, dashes and _, and begins with a letter or digit"
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{entries: {'a b': {}}}", f'agents.entries["a b"]: {ID_RULE}'),
        ("{entries: {_a: {}}}", f"agents.entries._a: {ID_RULE}"),
        ("{list: [{id: ''}]}", f"agents.list[0].id: {ID_RULE}"),
        ("{list: [{id: 'ä'}]}", f"agents.list[0].id: {ID_RULE}"),
        (f"{{list: [{{id: '{'a' * 65}'}}]}}", f"agents.list[0].id: {ID_RULE}"),
        ("{list: [{}]}", "agents.list[0].id: is required"),
        (
            "{entries: {a: {}, A: {}}}",
            "agents.entries.A: the same id as the agent on line 2",
        ),
        (
            "{list: [{id: 'a'}, {id: 'A'}]}",
            "agents.list[1].id: the same id as the agent on line 2",
        ),
        (
            "{entries: {a: {}}, list: [{id: 'b'}]}",
            "agents.list: agents.entries is there, too; move these agents into it",
        ),
        (
            "{entries: {a: {default: true}, b: {default: true}}}",
            "agents.entries.b.default: a second default agent; the first is on line 2",
        ),
        (
            "{defaults: {model: 'm'}}",
            'agents.defaults.model: expected "<provider>/<model>", got "m"; put "p/" before it',
        ),
        (
            "{defaults: {model: 'x'}}",
            'agents.defaults.model: expected "<provider>/<model>", got "x"',
        ),
        ("{defaults: {model: ''}}", 'agents.defaults.model: expected "<provider>/<model>", got ""'),
        (
            "{defaults: {model: '/m'}}",
            'agents.defaults.model: expected "<provider>/<model>", got "/m"',
        ),
        (
            "{defaults: {model: {primary: 'p/'}}}",
            'agents.defaults.model.primary: expected "<provider>/<model>", got "p/"',
        ),
        (
            "{entries: {a: {model: 'emty/m'}}}",
            'agents.entries.a.model: no such provider in "emty/m"; did you mean "empty"?',
        ),
        (
            "{list: [{id: 'a', model: 'zzz/m'}]}",
            'agents.list[0].model: no such provider in "zzz/m"; known are empty, p, ollama, scripted',
        ),
        (
            "{defaults: {model: 'openai/gpt-4o'}}",
            'agents.defaults.model: no such provider in "openai/gpt-4o"; '
            "set OPENAI_API_KEY or define models.providers.openai",
        ),
        (
            "{defaults: {model: 7}}",
            "agents.defaults.model: expected a string or an object, got a number",
        ),
        (
            "{defaults: {model: {primry: 'p/m'}}}",
            'agents.defaults.model.primry: unknown key; did you mean "primary"?',
        ),
        (
            "{defaults: {timeoutSeconds: -1}}",
            "agents.defaults.timeoutSeconds: expected a number of at least 0, got -1",
        ),
        ("{entries: {a: null}}", "agents.entries.a: expected an object, got null"),
        (
            "{entries: {a: {default: 'yes'}}}",
            'agents.entries.a.default: expected true or false, got "yes"',
        ),
    ],
)
def test_agents_that_do_not_fit_are_refused_at_their_key(
    problems_of: Problems, text: str, problem: str
) -> None:
    assert problems_of(f"{{{PROVIDERS},\n agents: {text}}}") == [f"greenroom.json5:2: {problem}"]


def test_a_provider_that_is_there_and_wrong_is_not_called_missing(problems_of: Problems) -> None:
    text = "{models: {providers: {p: 7}}, agents: {defaults: {model: 'p/m'}}}"
    assert problems_of(text) == [
        "greenroom.json5:1: models.providers.p: expected an object, got a number"
    ]
