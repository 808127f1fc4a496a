"""A chat completions request, checked field by field in the product's order and made a turn.

The order is part of the interface: schema; token cap, format, stop, sampling; agent and session;
model; tools; images; and last whether there is anything to answer.
"""

import time

import msgspec

from greenroom.actors.entries import Entry, Sampling, ToolEntry, UserEntry
from greenroom.actors.failure import TurnFailed
from greenroom.actors.house import House, new_id
from greenroom.actors.selection import Selection, Wish
from greenroom.actors.turn import TurnRequest
from greenroom.http.decode import check_depth, check_text, decode
from greenroom.http.errors import invalid, of_failure
from greenroom.http.exchange import Head
from greenroom.http.messages import check_images, read_messages, read_tool_choice, read_tools
from greenroom.http.sender import read_request
from greenroom.http.wire import ChatRequest, ResponseFormat, given

_request = msgspec.json.Decoder(ChatRequest)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_string = msgspec.json.Decoder(str)

_format = msgspec.json.Decoder(ResponseFormat)

_PASSED_ON = {"user", "response_format", "modalities", "metadata"}
_OURS = frozenset(ChatRequest.__struct_fields__) - _PASSED_ON
_MAX_STOPS = 4
_MAX_METADATA = 16
_INT64 = 2**63


class Order(msgspec.Struct, frozen=True):
    """A checked request: where it goes, what it asks, how the answer is wanted."""

    selection: Selection
    turn: TurnRequest
    stream: bool
    include_usage: bool
    starting_after: int = 0
    event_ids: bool = False


def read_order(
    body: bytes, head: Head, house: House, *, max_depth: int, session_from_user: bool
) -> Order:
    """Check a request's body and headers.

    Raises:
        ApiError: 400 or 404; the first thing that is wrong, in the order above.
    """
    check_text(body)
    check_depth(body, max_depth)
    fields = decode(body, _fields)
    request = decode(body, _request)
    entries = read_messages(request.messages)
    _check_values(request)
    user = _user(request.user)
    asked = read_request(head, body)
    selection = selection_of(
        head, house, request.model, user if session_from_user else None, asked.once
    )
    tools = read_tools(request.tools)
    tool_choice = read_tool_choice(request.tool_choice, tools)
    check_images(request.messages)
    if not any(isinstance(entry, UserEntry | ToolEntry) for entry in entries):
        raise invalid(
            "Missing user message in `messages`.", "messages", code="missing_user_message"
        )
    turn = TurnRequest(
        id=new_id(),
        route=selection.route,
        fallbacks=selection.fallbacks,
        entries=tuple(map(_pinned, entries)) if asked.pins else entries,
        tools=tools,
        tool_choice=tool_choice,
        parallel_tool_calls=request.parallel_tool_calls if tools else None,
        sampling=_sampling(request),
        extra={
            name: bytes(value)
            for name, value in fields.items()
            if name not in _OURS and not (name == "user" and user is None)
        },
        ephemeral=selection.ephemeral,
        once=selection.once,
        streamed=bool(request.stream),
        model=request.model,
        created=int(time.time()),
        sender=asked.sender,
    )
    options = request.stream_options
    return Order(
        selection,
        turn,
        stream=bool(request.stream),
        include_usage=options is not None and bool(options.include_usage),
        starting_after=asked.starting_after,
        event_ids=asked.event_ids,
    )


def selection_of(
    head: Head, house: House, model: str, user: str | None, once: str | None = None
) -> Selection:
    """Resolve where a request goes, by its model field, its headers, and `user` if it derives a session.

    `once` makes a session of the request's own where nothing else does.

    Raises:
        ApiError: 400 or 404.
    """
    wish = Wish(
        model,
        agent=head.header(b"x-openclaw-agent-id") or head.header(b"x-openclaw-agent"),
        session_key=head.header(b"x-openclaw-session-key"),
        override=head.header(b"x-openclaw-model"),
        user=user,
        once=once,
    )
    try:
        return house.select(wish)
    except TurnFailed as failed:
        raise of_failure(failed.failure) from None


def _check_values(request: ChatRequest) -> None:
    if not request.model.strip():
        raise invalid("you must provide a model parameter")
    if not request.messages:
        raise invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
            "messages",
            code="empty_array",
        )
    if request.stream_options is not None and not request.stream:
        raise invalid("`stream_options` is only allowed when `stream` is true.", "stream_options")
    if request.n is not None and request.n != 1:
        raise invalid("`n` must be 1: an agent gives one answer.", "n", "unsupported_value")
    for name in ("functions", "function_call"):
        if given(getattr(request, name)):
            raise invalid(
                f"`{name}` is deprecated and not supported; use `tools` and `tool_choice`.",
                name,
                "unsupported_parameter",
            )
    for name in ("max_completion_tokens", "max_tokens"):
        limit: int | None = getattr(request, name)
        if limit is not None and not 1 <= limit < _INT64:
            raise invalid(f"`{name}` must be at least 1.", name, "integer_below_min_value")
    _check_format(request)
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    if len(stops) > _MAX_STOPS or not all(stops):
        raise invalid(f"`stop` must be 1 to {_MAX_STOPS} strings, none of them empty.", "stop")
    _between(request.temperature, "temperature", 0, 2)
    _between(request.top_p, "top_p", 0, 1)
    _between(request.frequency_penalty, "frequency_penalty", -2, 2)
    _between(request.presence_penalty, "presence_penalty", -2, 2)
    if request.seed is not None and not -_INT64 <= request.seed < _INT64:
        raise invalid("`seed` must be a 64-bit integer.", "seed")


def _check_format(request: ChatRequest) -> None:
    if given(request.response_format):
        wanted = decode(request.response_format, _format, "response_format")
        if wanted.type == "json_schema" and not given(wanted.json_schema):
            raise invalid(
                "Missing required parameter: 'response_format.json_schema'.",
                "response_format.json_schema",
                "missing_required_parameter",
            )
    for name in ("logprobs", "top_logprobs"):
        if getattr(request, name):
            raise invalid(f"`{name}` is not supported.", name, "unsupported_parameter")
    if set(request.modalities or ()) - {"text"}:
        raise invalid("`modalities` must be text alone.", "modalities", "unsupported_value")
    if len(request.metadata or ()) > _MAX_METADATA:
        raise invalid(f"`metadata` must have at most {_MAX_METADATA} pairs.", "metadata")


def _between(value: float | None, name: str, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise invalid(f"`{name}` must be between {low} and {high}.", name, "invalid_value")


def _pinned(entry: Entry) -> Entry:
    if isinstance(entry, UserEntry):
        return msgspec.structs.replace(entry, pinned=True)
    return entry


def _sampling(request: ChatRequest) -> Sampling:
    stop = request.stop
    return Sampling(
        temperature=request.temperature,
        top_p=request.top_p,
        max_tokens=request.max_completion_tokens or request.max_tokens,
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        seed=request.seed,
    )


def _user(raw: msgspec.Raw) -> str | None:
    """Return `user` if it is a string; some clients send an object, which names no session."""
    if not bytes(raw).startswith(b'"'):
        return None
    return decode(raw, _string, "user") or None
