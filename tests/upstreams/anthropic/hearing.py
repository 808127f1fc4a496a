"""A request of Anthropic's Messages API, read as strictly as the vendor reads it.

Nothing is taken that the vendor would refuse. Source: platform.claude.com, API reference, "Create a
Message", "Tool use", "Extended thinking", "Structured outputs".
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tests.upstreams.api import decoded
from tests.upstreams.speech import Called, Heard, Json, Message, Refused

SIGNATURE = "EqQBCkgIARABGAIiQL8"
"""What a thinking block is signed with; a block that comes back has to have it."""

_Id = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$")]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, tag_field="type"):
    cache_control: Json | None = None


class _Text(_Strict, tag="text", kw_only=True):
    text: str


class _Base64(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="base64"):
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class _Image(_Strict, tag="image", kw_only=True):
    source: _Base64


class _Use(_Strict, tag="tool_use", kw_only=True):
    id: _Id
    name: str
    input: Json


class _Result(_Strict, tag="tool_result", kw_only=True):
    tool_use_id: _Id
    content: str | list[_Text | _Image] = ""
    is_error: bool = False


class _Thinking(_Strict, tag="thinking", kw_only=True):
    thinking: str
    signature: str


_Block = _Text | _Image | _Use | _Result | _Thinking


class _Turn(msgspec.Struct, forbid_unknown_fields=True):
    role: Literal["user", "assistant"]
    content: str | Annotated[list[_Block], Meta(min_length=1)]

    @property
    def blocks(self) -> list[_Block]:
        content = self.content
        return [_Text(text=content)] if isinstance(content, str) else content


class _Tool(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,128}$")]
    input_schema: Json
    description: str = ""
    strict: bool = False
    cache_control: Json | None = None


class _Choice(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class _Think(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Annotated[int, Meta(ge=1024)] | None = None


class _Format(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["json_schema"]
    schema: Json


class _Output(msgspec.Struct, forbid_unknown_fields=True):
    format: _Format | None = None
    effort: str | None = None


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    model: Annotated[str, Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1)]
    messages: Annotated[list[_Turn], Meta(min_length=1)]
    system: str | list[_Text] = ""
    stream: bool = False
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: list[Annotated[str, Meta(pattern=r"\S")]] = []
    tools: list[_Tool] = []
    tool_choice: _Choice | None = None
    thinking: _Think | None = None
    output_config: _Output | None = None
    metadata: dict[str, str] | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    cache_control: Json | None = None


_read = msgspec.json.Decoder(_Request)


def hear(body: bytes) -> Heard:
    """Understand a request's body; raises `Refused` where the vendor would refuse it."""
    try:
        request = _read.decode(body)
    except msgspec.DecodeError as error:
        raise _wrong(str(error)) from error
    system = request.system
    _check_order(request.messages)
    _check_tools(request)
    _check_thinking(request)
    names = {b.id: b.name for t in request.messages for b in t.blocks if isinstance(b, _Use)}
    choice = request.tool_choice or _Choice("auto")
    output = request.output_config
    return Heard(
        model=request.model,
        system=system if isinstance(system, str) else "\n\n".join(block.text for block in system),
        messages=tuple(message for turn in request.messages for message in _messages(turn, names)),
        stream=request.stream,
        tools={tool.name: tool.input_schema for tool in request.tools},
        choice={"any": "required"}.get(choice.type, choice.name or choice.type),
        parallel=not choice.disable_parallel_tool_use,
        schema=output.format.schema if output and output.format else None,
        thinks=request.thinking is not None and request.thinking.type != "disabled",
    )


def _wrong(message: str) -> Refused:
    return Refused(400, message, kind="invalid_request_error")


def _check_tools(request: _Request) -> None:
    for number, tool in enumerate(request.tools):
        if tool.input_schema.get("type") != "object":
            raise _wrong(f"tools.{number}.custom.input_schema.type: Input should be 'object'")
    choice = request.tool_choice
    if choice is None:
        return
    if not request.tools:
        raise _wrong("tool_choice: may only be specified while providing tools.")
    if choice.type == "none" and choice.disable_parallel_tool_use:
        what = "tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted"
        raise _wrong(what)
    if (choice.type == "tool") != (choice.name is not None):
        raise _wrong("tool_choice.tool.name: Field required")
    if choice.name is not None and choice.name not in {tool.name for tool in request.tools}:
        raise _wrong(f"Tool '{choice.name}' not found in provided tools")


def _check_thinking(request: _Request) -> None:
    thinking = request.thinking
    if thinking is None or thinking.type == "disabled":
        return
    budget = thinking.budget_tokens
    if (thinking.type == "enabled") != (budget is not None):
        raise _wrong("thinking.enabled.budget_tokens: Field required")
    if budget is not None and budget >= request.max_tokens:
        raise _wrong("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if request.tool_choice is not None and request.tool_choice.type in {"any", "tool"}:
        raise _wrong("Thinking may not be enabled when tool_choice forces tool use.")
    if request.temperature not in {None, 1}:
        raise _wrong("`temperature` may only be set to 1 when thinking is enabled.")
    if request.top_k is not None:
        raise _wrong("`top_k` must be unset when thinking is enabled.")
    if isinstance(request.messages[-1].blocks[0], _Result):
        last = [turn for turn in request.messages if turn.role == "assistant"][-1]
        found = last.blocks[0]
        if not isinstance(found, _Thinking):
            where = f"messages.{request.messages.index(last)}.content.0.type"
            what = f"Expected `thinking` or `redacted_thinking`, but found {type(found).__name__}."
            raise _wrong(f"{where}: {what} To avoid this requirement, disable `thinking`.")


def _check_order(turns: list[_Turn]) -> None:
    """Refuse what does not follow from what stands before it."""
    if turns[0].role != "user":
        raise _wrong('messages: first message must use the "user" role')
    open_calls: set[str] = set()
    for number, turn in enumerate(turns):
        where = f"messages.{number}"
        results = [block.tool_use_id for block in turn.blocks if isinstance(block, _Result)]
        if strays := set(results) - open_calls:
            what = "unexpected `tool_use_id` found in `tool_result` blocks"
            raise _wrong(f"{where}.content: {what}: {', '.join(sorted(strays))}.")
        if missing := open_calls - set(results):
            what = "`tool_use` ids were found without `tool_result` blocks immediately after"
            raise _wrong(f"messages.{number - 1}: {what}: {', '.join(sorted(missing))}.")
        if any(isinstance(block, _Result) for block in turn.blocks[len(results) :]):
            raise _wrong(f"{where}.content: `tool_result` blocks must come first.")
        _check_blocks(turn, where)
        open_calls = {block.id for block in turn.blocks if isinstance(block, _Use)}
    if open_calls:
        what = "`tool_use` ids were found without `tool_result` blocks immediately after"
        raise _wrong(f"messages.{len(turns) - 1}: {what}: {', '.join(sorted(open_calls))}.")


def _check_blocks(turn: _Turn, where: str) -> None:
    not_theirs = {_Image, _Result} if turn.role == "assistant" else {_Use, _Thinking}
    for number, block in enumerate(turn.blocks):
        what = f"{where}.content.{number}"
        if type(block) in not_theirs:
            raise _wrong(f"{what}: this block is not permitted in a message of the {turn.role}")
        if isinstance(block, _Text) and not block.text.strip():
            raise _wrong("messages: text content blocks must contain non-whitespace text")
        if isinstance(block, _Thinking) and block.signature != SIGNATURE:
            raise _wrong(f"{what}: Invalid `signature` in `thinking` block")


def _messages(turn: _Turn, names: dict[str, str]) -> list[Message]:
    """Return a turn as messages: its tool results each by itself, then the rest."""
    blocks = turn.blocks
    out = [
        Message("tool", _text(block.content), tool=names[block.tool_use_id])
        for block in blocks
        if isinstance(block, _Result)
    ]
    rest = Message(
        turn.role,
        _text([block for block in blocks if isinstance(block, _Text)]),
        tuple(decoded(b.source.data, "image") for b in blocks if isinstance(b, _Image)),
        tuple(Called(b.name, b.input, b.id) for b in blocks if isinstance(b, _Use)),
    )
    return out if out and not rest.text and not rest.images else [*out, rest]


def _text(content: str | list[_Text] | list[_Text | _Image]) -> str:
    if isinstance(content, str):
        return content
    return "".join(block.text for block in content if isinstance(block, _Text))
