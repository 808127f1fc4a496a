"""A chat completions request, checked field by field in the product's order and made a turn.

The order is part of the interface: schema; token cap, format, stop, sampling; agent and session;
model; tools; images; and last whether there is anything to answer.
"""

import time

import msgspec

from greenroom.actors.channels.openai.fields import FIELDS
from greenroom.actors.entries import Entry, Sampling, ToolEntry, UserEntry
from greenroom.actors.failure import TurnFailed
from greenroom.actors.house import House, new_id
from greenroom.actors.selection import Selection, Wish
from greenroom.actors.turn import TurnRequest
from greenroom.http.decode import check_depth, check_text, decode
from greenroom.http.errors import invalid, of_failure
from greenroom.http.exchange import Head
from greenroom.http.functions import read_toolbox
from greenroom.http.messages import check_images, read_messages
from greenroom.http.pictures import Remote
from greenroom.http.sender import read_request
from greenroom.http.values import check_values
from greenroom.http.wire import ChatRequest, given

_request = msgspec.json.Decoder(ChatRequest)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_string = msgspec.json.Decoder(str)

_PASSED_ON = {
    "audio",
    "logit_bias",
    "modalities",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "service_tier",
    "user",
    "verbosity",
    "web_search_options",
}
_OURS = FIELDS - _PASSED_ON
"""What a turn has a place for; every other field goes along as it is, for channels that know it."""


class Order(msgspec.Struct, frozen=True):
    """A checked request: where it goes, what it asks, how the answer is wanted.

    A `legacy` one offers its tools as `functions`, and is answered so. `remote` are the images that have
    yet to be fetched.
    """

    selection: Selection
    turn: TurnRequest
    stream: bool
    include_usage: bool
    legacy: bool = False
    starting_after: int = 0
    event_ids: bool = False
    inside: bool = False
    remote: tuple[Remote, ...] = ()


def read_order(
    body: bytes,
    head: Head,
    house: House,
    *,
    max_depth: int,
    session_from_user: bool,
    most_image_urls: int = 0,
) -> Order:
    """Check a request's body and headers; it may name `most_image_urls` images by URL.

    Raises:
        ApiError: 400 or 404; the first thing that is wrong, in the order above.
    """
    check_text(body)
    check_depth(body, max_depth)
    fields = decode(body, _fields)
    request = decode(body, _request)
    entries = read_messages(request.messages)
    check_values(request)
    user = _user(request.user)
    asked = read_request(head, body)
    selection = selection_of(
        head,
        house,
        request.model,
        user if session_from_user else None,
        asked.once,
        stored=bool(request.store),
    )
    if (request.n or 1) > 1 and not selection.ephemeral:
        raise invalid(
            "`n` must be 1 in a session, and with `store` or an `Idempotency-Key`: a transcript has one "
            "answer.",
            "n",
            "unsupported_value",
        )
    box = read_toolbox(request)
    remote = check_images(request.messages, most_image_urls)
    if not any(isinstance(entry, UserEntry | ToolEntry) for entry in entries):
        raise invalid(
            "Missing user message in `messages`.", "messages", code="missing_user_message"
        )
    turn = TurnRequest(
        id=new_id(),
        route=selection.route,
        fallbacks=selection.fallbacks,
        is_own=selection.is_own,
        entries=tuple(map(_pinned, entries)) if asked.pins else entries,
        tools=box.tools,
        tool_choice=box.choice,
        parallel_tool_calls=box.parallel,
        sampling=_sampling(request),
        extra={
            name: bytes(value)
            for name, value in fields.items()
            if name not in _OURS
            and (given(value) or name not in FIELDS)
            and not (name == "user" and user is None)
        },
        ephemeral=selection.ephemeral,
        once=selection.once,
        streamed=bool(request.stream),
        model=request.model,
        created=int(time.time()),
        sender=asked.sender,
        metadata=request.metadata or {},
    )
    options = request.stream_options
    return Order(
        selection,
        turn,
        stream=bool(request.stream),
        include_usage=options is not None and bool(options.include_usage),
        legacy=box.legacy,
        starting_after=asked.starting_after,
        event_ids=asked.event_ids,
        inside=asked.inside,
        remote=remote,
    )


def selection_of(
    head: Head,
    house: House,
    model: str,
    user: str | None,
    once: str | None = None,
    *,
    stored: bool = False,
) -> Selection:
    """Resolve where a request goes, by its model field, its headers, and `user` if it derives a session.

    `once` and `stored` make a session of the request's own where nothing else does.

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
        stored=stored,
    )
    try:
        return house.select(wish)
    except TurnFailed as failed:
        raise of_failure(failed.failure) from None


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
        choices=request.n or 1,
        top_logprobs=(request.top_logprobs or 0) if request.logprobs else None,
    )


def _user(raw: msgspec.Raw) -> str | None:
    """Return `user` if it is a string; some clients send an object, which names no session."""
    if not bytes(raw).startswith(b'"'):
        return None
    return decode(raw, _string, "user") or None
