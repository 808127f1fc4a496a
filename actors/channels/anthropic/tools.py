"""The tools that a prompt offers, and which of them the model may or must call, pure.

An OpenAI "custom" tool, whose input is free text, has no equal here: it is offered as a function of
one text, `input`, and `answer_blocks` makes its calls custom ones again. That keeps the tool usable and
its client none the wiser; only a grammar cannot be kept, so it is told in words, and dropped by name.
Source: platform.claude.com, "Define tools", "Tool use", "Strict tool use".
"""

import msgspec

from greenroom.actors.channels.anthropic.content import Block
from greenroom.actors.channels.anthropic.fields import Fields, parsed, refused
from greenroom.actors.channels.anthropic.models import Traits
from greenroom.actors.channels.anthropic.schema import enforceable
from greenroom.actors.channels.loose import fields, text
from greenroom.actors.entries import Prompt, Tool, ToolChoice

INPUT = "input"
"""The one property of a custom tool's input."""


class Toolbox(msgspec.Struct, frozen=True):
    """What a request says about tools: in `tools`, in `tool_choice`, and in words to the model."""

    tools: tuple[Block, ...] = ()
    choice: Block | None = None
    words: str | None = None

    @property
    def forced(self) -> bool:
        """Whether the API is asked to make the model call a tool."""
        return self.choice is not None and self.choice["type"] in {"any", "tool"}


def toolbox_of(prompt: Prompt, traits: Traits, request: Fields) -> Toolbox:
    """Return what to say about the prompt's tools; raises `TurnFailed` for a choice of none of them."""
    if not prompt.tools:
        return Toolbox()
    choice, words = prompt.tool_choice, None
    if choice is not None and choice.mode == "required" and not traits.forced_tools:
        request.drop("tool_choice")
        choice, words = _advised(choice)
    offered = _offered(prompt.tools, choice)
    wire = _choice(choice)
    if prompt.parallel_tool_calls is False and (wire is None or wire["type"] != "none"):
        wire = (wire or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    return Toolbox(tuple(_tool(tool, traits, request) for tool in offered), wire, words)


def _advised(choice: ToolChoice) -> tuple[ToolChoice, str]:
    """Return what to say to a model that refuses to be forced, as its vendor advises it."""
    words = "Answer with a tool call."
    if len(choice.names) == 1:
        words = f"Answer with a call of the tool {choice.names[0]}."
    return msgspec.structs.replace(choice, mode="auto"), words


def _offered(tools: tuple[Tool, ...], choice: ToolChoice | None) -> tuple[Tool, ...]:
    """Return the tools to send: those that the choice allows, or all where the API knows the choice."""
    if choice is None or not choice.names:
        return tools
    allowed = tuple(tool for tool in tools if tool.name in choice.names)
    if not allowed:
        raise refused(
            "tool_choice", "`tool_choice` names no tool that is in `tools`.", "invalid_value"
        )
    return tools if _is_named(choice) else allowed


def _is_named(choice: ToolChoice) -> bool:
    return choice.mode == "required" and len(choice.names) == 1


def _choice(choice: ToolChoice | None) -> Block | None:
    if choice is None:
        return None
    if _is_named(choice):
        return {"type": "tool", "name": choice.names[0]}
    return {"type": "any" if choice.mode == "required" else choice.mode}


def _tool(tool: Tool, traits: Traits, request: Fields) -> Block:
    definition = fields(parsed(tool.definition))
    inner = fields(definition.get(tool.kind))
    wire: Block = {"name": tool.name}
    description = text(inner.get("description"))
    if description.strip():
        wire["description"] = description
    if tool.kind == "custom":
        wire |= _custom(wire, fields(inner.get("format")), request)
    else:
        wire["input_schema"] = _schema(inner.get("parameters"))
        if inner.get("strict") is True:
            if traits.strict:
                wire["strict"] = True
                wire["input_schema"] = enforceable(fields(wire["input_schema"]))
            else:
                request.drop("tools[].function.strict")
    if cache := fields(definition.get("cache_control")) or fields(inner.get("cache_control")):
        wire["cache_control"] = cache
    return wire


def _schema(parameters: object) -> Block:
    """Return the schema of a function's arguments, which must say that they are an object."""
    schema = fields(parameters)
    if not schema:
        return {"type": "object", "properties": {}}
    return schema if schema.get("type") == "object" else schema | {"type": "object"}


def _custom(wire: Block, wanted: Block, request: Fields) -> Block:
    """Return the rest of a custom tool, whose input is to have the format `wanted`."""
    schema: Block = {
        "type": "object",
        "properties": {INPUT: {"type": "string", "description": "The tool's whole input."}},
        "required": [INPUT],
        "additionalProperties": False,
    }
    if wanted.get("type") != "grammar":
        return {"input_schema": schema}
    request.drop("tools[].custom.format")
    grammar = fields(wanted.get("grammar"))
    syntax, rules = text(grammar.get("syntax")), text(grammar.get("definition"))
    told = f"The input must follow this {syntax} grammar:\n{rules}"
    said = text(wire.get("description"))
    return {"input_schema": schema, "description": f"{said}\n\n{told}" if said else told}
