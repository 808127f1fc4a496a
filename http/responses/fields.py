"""The fields of a request, one by one: what is checked, translated, passed on, kept, or refused by name.

Three tables say what becomes of those that are no plain value. Whatever is in none of them and in no
struct is another server's field, and goes on to OpenAI-type upstreams as it is.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from greenroom.actors.entries import Sampling
from greenroom.http.decode import decode
from greenroom.http.errors import invalid, missing
from greenroom.http.responses.asked import NO_REASONING, PLAIN_TEXT, Asked
from greenroom.http.responses.requests import Format, ResponseRequest
from greenroom.http.wire import given

_string = msgspec.json.Decoder(str)
_any = msgspec.json.Decoder()
_any_fields = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode

_PASSED_ON = frozenset({"user", "safety_identifier", "prompt_cache_key", "service_tier"})
"""Fields with a place in the struct that go on as they are, too."""
_OURS = frozenset(ResponseRequest.__struct_fields__) - _PASSED_ON

_REFUSED: dict[str, tuple[tuple[object, ...], str]] = {
    # field: the values that ask for nothing, why it is refused
    "prompt": ((), "no prompt templates are kept here"),
    "context_management": (([],), "sessions are made shorter by themselves"),
    "background_options": (({}, {"completion_window": "soonest"}), "turns run as soon as they can"),
    "image": (({},), "images go to the model as they are"),
    "access_programs": (({},), "the provider's account decides that"),
    "n": ((1,), "a response has one answer"),
    "logprobs": ((False,), "log probabilities are not told here"),
    "modalities": ((["text"],), "a response is text"),
    "audio": ((), "a response is text"),
}
_MOVED = {
    "messages": "input",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "functions": "tools",
    "function_call": "tool_choice",
    "web_search_options": "tools",
}
"""Fields of chat completions, and what they are here."""
_INCLUDABLE = frozenset(
    {
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "message.input_image.image_url",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
        "reasoning.encrypted_content",
    }
)
"""What may be asked for: it is there anyway, or there is nothing of the kind."""

_INT64 = 2**63
_MOST_PAIRS, _MOST_KEY, _MOST_VALUE = 16, 64, 512


def check_fields(request: ResponseRequest, fields: Mapping[str, Raw]) -> None:
    """Check the values, and refuse what cannot be had here.

    Raises:
        ApiError: 400, naming the field.
    """
    if not request.model.strip():
        raise invalid("you must provide a model parameter")
    for name, place in _MOVED.items():
        if given(fields.get(name, Raw())):
            what = f"Unsupported parameter: '{name}'. In the Responses API this is '{place}'."
            raise invalid(what, name, "unsupported_parameter")
    for name, (harmless, why) in _REFUSED.items():
        raw = fields.get(name, Raw())
        if given(raw) and decode(raw, _any, name) not in harmless:
            raise invalid(f"`{name}` is not supported: {why}.", name, "unsupported_parameter")
    if request.stream_options is not None and not request.stream:
        raise invalid("`stream_options` is only allowed when `stream` is true.", "stream_options")
    if request.background and request.store is False:
        what = "`background` needs `store`: its response is there to be retrieved."
        raise invalid(what, "background", "invalid_value")
    if request.previous_response_id is not None and request.conversation is not None:
        raise invalid(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'.",
            "previous_response_id",
            "mutually_exclusive_parameters",
        )
    _at_least_one(request.max_output_tokens, "max_output_tokens")
    _at_least_one(request.max_tool_calls, "max_tool_calls")
    if request.text is not None and request.text.format is not None:
        _check_format(request.text.format)
    if request.top_logprobs:
        what = "`top_logprobs` is not supported."
        raise invalid(what, "top_logprobs", "unsupported_parameter")
    check_include(request.include or [])
    _between(request.temperature, "temperature", 0, 2)
    _between(request.top_p, "top_p", 0, 1)
    _between(request.frequency_penalty, "frequency_penalty", -2, 2)
    _between(request.presence_penalty, "presence_penalty", -2, 2)
    check_metadata(request.metadata)


def check_metadata(metadata: Mapping[str, str] | None) -> None:
    """Check `metadata`; raises `ApiError` (400)."""
    if len(metadata or ()) > _MOST_PAIRS:
        raise invalid(f"`metadata` must have at most {_MOST_PAIRS} pairs.", "metadata")
    for key, value in (metadata or {}).items():
        if len(key) > _MOST_KEY or len(value) > _MOST_VALUE:
            raise invalid(
                f"In `metadata` a key has at most {_MOST_KEY} characters and a value {_MOST_VALUE}.",
                "metadata",
            )


def sampling_of(request: ResponseRequest) -> Sampling:
    """Return how the answer is to be drawn."""
    return Sampling(
        temperature=request.temperature,
        top_p=request.top_p,
        max_tokens=request.max_output_tokens,
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
    )


def extra_of(request: ResponseRequest, fields: Mapping[str, Raw]) -> dict[str, bytes]:
    """Return the fields that go on to providers: translated to chat completions', or as they are."""
    extra = {
        name: bytes(value)
        for name, value in fields.items()
        if given(value)
        and name not in _OURS
        and name not in _REFUSED
        and not (name == "user" and user_of(request) is None)
    }
    text, reasoning = request.text, request.reasoning
    if text is not None and text.format is not None and text.format.type != "text":
        extra["response_format"] = _chat_format(text.format)
    if text is not None and text.verbosity is not None:
        extra["verbosity"] = _encode(text.verbosity)
    if reasoning is not None and reasoning.effort is not None:
        extra["reasoning_effort"] = _encode(reasoning.effort)
    return extra


def user_of(request: ResponseRequest) -> str | None:
    """Return `user` if it is a string; some clients send an object, which names no session."""
    if not bytes(request.user).startswith(b'"'):
        return None
    return decode(request.user, _string, "user") or None


def asked_of(request: ResponseRequest, fields: Mapping[str, Raw]) -> Asked:
    """Return what the response is to tell of its request, but for its tools, which are checked later."""
    conversation = request.conversation
    reasoning = request.reasoning
    summary = None if reasoning is None else reasoning.summary or reasoning.generate_summary
    echoed = NO_REASONING
    if reasoning is not None:
        echoed = Raw(_encode({"effort": reasoning.effort, "summary": summary}))
    return Asked(
        background=bool(request.background),
        store=request.store is not False,
        conversation=conversation
        if conversation is None or isinstance(conversation, str)
        else conversation.id,
        instructions=request.instructions,
        max_output_tokens=request.max_output_tokens,
        max_tool_calls=request.max_tool_calls,
        metadata=request.metadata or {},
        parallel_tool_calls=request.parallel_tool_calls is not False,
        previous_response_id=request.previous_response_id,
        prompt_cache_key=request.prompt_cache_key,
        reasoning=echoed,
        summarises=summary is not None,
        safety_identifier=request.safety_identifier,
        service_tier=request.service_tier or "auto",
        temperature=1.0 if request.temperature is None else request.temperature,
        text=_shown_text(fields.get("text", Raw())),
        tool_choice=request.tool_choice if given(request.tool_choice) else Raw(b'"auto"'),
        top_p=1.0 if request.top_p is None else request.top_p,
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        truncation=request.truncation or "auto",
        user=user_of(request),
    )


def _shown_text(text: Raw) -> Raw:
    if not given(text):
        return PLAIN_TEXT
    sent = {name: value for name, value in _any_fields.decode(text).items() if given(value)}
    return Raw(_encode({"format": Raw(b'{"type":"text"}')} | sent))


def _chat_format(format_: Format) -> bytes:
    if format_.type != "json_schema":
        return _encode({"type": format_.type})
    schema: dict[str, object] = {"name": format_.name}
    if format_.description is not None:
        schema["description"] = format_.description
    schema["schema"] = format_.schema
    if format_.strict is not None:
        schema["strict"] = format_.strict
    return _encode({"type": "json_schema", "json_schema": schema})


def _check_format(format_: Format) -> None:
    if format_.type == "json_schema":
        if not format_.name:
            raise missing("text.format.name")
        if not given(format_.schema):
            raise missing("text.format.schema")


def check_include(include: list[str]) -> None:
    """Check what a client asks for beside the usual; raises `ApiError` (400)."""
    for index, name in enumerate(include):
        if name == "message.output_text.logprobs":
            what = "Log probabilities are not supported."
            raise invalid(what, f"include[{index}]", "unsupported_value")
        if name not in _INCLUDABLE:
            what = f"Invalid 'include[{index}]': '{name}' is not known."
            raise invalid(what, f"include[{index}]", "invalid_value")


def _at_least_one(value: int | None, name: str) -> None:
    if value is not None and not 1 <= value < _INT64:
        raise invalid(f"`{name}` must be at least 1.", name, "integer_below_min_value")


def _between(value: float | None, name: str, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise invalid(f"`{name}` must be between {low} and {high}.", name, "invalid_value")
