"""Tools and their choice say the same in the API's words, or are dropped or refused by name."""

import msgspec
import pytest

from greenroom.actors.entries import Tool, ToolChoice
from greenroom.actors.failure import FailureKind
from tests.actors.channels.anthropic.conftest import asked, dropped_by, refusal_of
from tests.actors.channels.conftest import Json

SCHEMA: Json = {"$schema": "x", "type": "object", "properties": {"a": {"type": "integer"}}}


def function(name: str, /, **fields: object) -> Tool:
    definition = {"type": "function", "function": {"name": name} | fields}
    return Tool(name, msgspec.json.encode(definition))


def custom(name: str, **fields: object) -> Tool:
    definition = {"type": "custom", "custom": {"name": name} | fields}
    return Tool(name, msgspec.json.encode(definition), "custom")


def tool_of(tool: Tool, model: str = "claude-opus-4-5") -> Json:
    (wire,) = msgspec.convert(asked(model, tools=(tool,))["tools"], list[Json])
    return wire


def test_a_function_keeps_its_schema() -> None:
    tool = function("f", description="Does f.", parameters=SCHEMA)
    assert tool_of(tool) == {"name": "f", "description": "Does f.", "input_schema": SCHEMA}


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"type": ["object", "null"]}, {"type": "object"}),
    ],
)
def test_a_functions_arguments_are_an_object(parameters: object, schema: Json) -> None:
    assert tool_of(function("f", parameters=parameters)) == {"name": "f", "input_schema": schema}
    if parameters is None:
        assert tool_of(function("f", description=None))["input_schema"] == schema


def test_a_model_is_held_to_a_strict_schema_where_it_can_be() -> None:
    tool = function("f", parameters=SCHEMA, strict=True)
    assert tool_of(tool) == {
        "name": "f",
        "strict": True,
        "input_schema": SCHEMA | {"additionalProperties": False},
    }
    assert tool_of(tool, "claude-sonnet-4-0") == {"name": "f", "input_schema": SCHEMA}
    assert dropped_by(tools=(tool,)) == ()
    assert dropped_by("claude-sonnet-4-0", tools=(tool,)) == ("tools[].function.strict",)
    assert dropped_by("claude-sonnet-4-0", tools=(function("f", strict=False),)) == ()


def test_a_clients_mark_for_the_cache_is_passed_on() -> None:
    mark = {"type": "ephemeral"}
    inside = function("f", cache_control=mark)
    outside = Tool(
        "f",
        msgspec.json.encode(
            {"function": {"name": "f"}, "type": "function"} | {"cache_control": mark}
        ),
    )
    assert tool_of(inside)["cache_control"] == tool_of(outside)["cache_control"] == mark


INPUT: Json = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The tool's whole input."}},
    "required": ["input"],
    "additionalProperties": False,
}


def test_a_custom_tool_is_a_function_of_one_text() -> None:
    assert tool_of(custom("sh", description="Runs it.", format={"type": "text"})) == {
        "name": "sh",
        "description": "Runs it.",
        "input_schema": INPUT,
    }


def test_a_grammar_is_told_in_words() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "a"'}}
    tool = custom("sh", description="Runs it.", format=grammar)
    assert tool_of(tool) == {
        "name": "sh",
        "description": 'Runs it.\n\nThe input must follow this lark grammar:\nstart: "a"',
        "input_schema": INPUT,
    }
    assert dropped_by(tools=(tool,)) == ("tools[].custom.format",)


TOOLS = (function("f"), function("g"), custom("sh"))
ALL = ["f", "g", "sh"]


def choice(mode: object, *names: str) -> ToolChoice:
    return msgspec.convert({"mode": mode, "names": names, "definition": b"{}"}, ToolChoice)


@pytest.mark.parametrize(
    ("wanted", "names", "wire"),
    [
        (None, ALL, None),
        (choice("none"), ALL, {"type": "none"}),
        (choice("auto"), ALL, {"type": "auto"}),
        (choice("required"), ALL, {"type": "any"}),
        (choice("required", "g"), ALL, {"type": "tool", "name": "g"}),
        (choice("required", "sh"), ALL, {"type": "tool", "name": "sh"}),
        (choice("auto", "g"), ["g"], {"type": "auto"}),
        (choice("auto", "sh", "f", "x"), ["f", "sh"], {"type": "auto"}),
        (choice("required", "f", "g"), ["f", "g"], {"type": "any"}),
    ],
)
def test_a_choice_is_kept_and_only_what_is_allowed_is_offered(
    wanted: ToolChoice | None, names: list[str], wire: Json | None
) -> None:
    for parallel in (None, True, False):
        body = asked(tools=TOOLS, tool_choice=wanted, parallel_tool_calls=parallel)
        tools = msgspec.convert(body["tools"], list[Json])
        assert [tool["name"] for tool in tools] == names
        alone: Json = {"disable_parallel_tool_use": True}
        if parallel is False and wire != {"type": "none"}:
            assert body["tool_choice"] == (wire or {"type": "auto"}) | alone
        else:
            assert body.get("tool_choice") == wire
        assert "system" not in body


def test_without_tools_nothing_is_said_about_them() -> None:
    body = asked(tool_choice=choice("required"), parallel_tool_calls=False)
    assert not {"tools", "tool_choice"} & body.keys()


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_a_choice_of_no_tool_is_refused(mode: str) -> None:
    failure = refusal_of(tools=TOOLS, tool_choice=choice(mode, "x"))
    assert (failure.kind, failure.param) == (FailureKind.INVALID_REQUEST, "tool_choice")


@pytest.mark.parametrize(
    ("wanted", "names", "words"),
    [
        (choice("required"), ALL, "Answer with a tool call."),
        (choice("required", "g"), ["g"], "Answer with a call of the tool g."),
        (choice("required", "f", "g"), ["f", "g"], "Answer with a tool call."),
    ],
)
def test_a_model_that_cannot_be_forced_is_told(
    wanted: ToolChoice, names: list[str], words: str
) -> None:
    body = asked("claude-opus-5-5", tools=TOOLS, tool_choice=wanted)
    assert [tool["name"] for tool in msgspec.convert(body["tools"], list[Json])] == names
    assert (body["tool_choice"], body["system"]) == ({"type": "auto"}, words)
    assert dropped_by("claude-opus-5-5", tools=TOOLS, tool_choice=wanted) == ("tool_choice",)


@pytest.mark.parametrize("wanted", [None, choice("none"), choice("auto"), choice("auto", "g")])
def test_what_forces_nothing_is_no_matter_to_it(wanted: ToolChoice | None) -> None:
    assert dropped_by("claude-opus-5-5", tools=TOOLS, tool_choice=wanted) == ()


def test_a_definition_that_is_none_is_a_function_without_arguments() -> None:
    assert tool_of(Tool("f", b"no json")) == {
        "name": "f",
        "input_schema": {"type": "object", "properties": {}},
    }
