"""A request for a response, checked in the order of chat completions and made a turn.

That order is: schema; values; what it goes on from, agent and session, model; tools; the input's items;
and last whether there is anything to answer.
"""

import time
from collections.abc import Sequence

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from greenroom.actors.entries import Entry, SystemEntry, ToolEntry, UserEntry
from greenroom.actors.house import House, Way, new_id
from greenroom.actors.turn import OnDisconnect, Route, TurnRequest
from greenroom.http.decode import check_depth, check_text, decode
from greenroom.http.errors import invalid, missing
from greenroom.http.exchange import Head
from greenroom.http.responses.asked import Asked
from greenroom.http.responses.fields import (
    asked_of,
    check_fields,
    extra_of,
    sampling_of,
    user_of,
)
from greenroom.http.responses.finding import find_items
from greenroom.http.responses.items import Input, read_items, references_in
from greenroom.http.responses.placing import Place, find_place, targets_of, way_to
from greenroom.http.responses.requests import ResponseRequest
from greenroom.http.responses.tools import read_tool_choice, read_tools, shown
from greenroom.http.sender import read_request

_request = msgspec.json.Decoder(ResponseRequest)
_fields = msgspec.json.Decoder(dict[str, Raw])

_NOWHERE = Route("", "")


class Order(msgspec.Struct, frozen=True):
    """A checked request: where its turn is tried, what its response tells of it, how it is wanted."""

    ways: tuple[Way, ...]
    asked: Asked
    stream: bool
    starting_after: int | None = None
    event_ids: bool = False


async def read_order(
    body: bytes, head: Head, house: House, *, max_depth: int, session_from_user: bool
) -> Order:
    """Check a request's body and headers, and look up what it names.

    Raises:
        ApiError: 400, 404 or 409; the first thing that is wrong, in the order above.
        TurnFailed: the store fails.
    """
    check_text(body)
    check_depth(body, max_depth)
    fields = decode(body, _fields)
    request = decode(body, _request)
    check_fields(request, fields)
    sent = read_request(head, body)
    asked = asked_of(request, fields)
    user = user_of(request) if session_from_user else None
    place = await find_place(house, head, sent, asked, request.model, user)
    turn = new_id()
    targets = targets_of(house, head, sent, asked, place, turn)
    tools = read_tools(request.tools)
    asked = replace(asked, tools=shown(request.tools))
    tool_choice = read_tool_choice(request.tool_choice, tools)
    given = await _input(house, request.input, place)
    entries, places = given.entries, given.places
    if sent.pins:
        entries = tuple(map(_pinned, entries))
    if request.instructions is not None:
        entries = (SystemEntry(request.instructions), *entries)
        places = ("instructions", *places)
    stored = asked.store
    made = TurnRequest(
        id=turn,
        route=_NOWHERE,
        entries=entries,
        places=places,
        tools=tools,
        tool_choice=tool_choice,
        parallel_tool_calls=request.parallel_tool_calls if tools else None,
        sampling=sampling_of(request),
        extra=extra_of(request, fields),
        streamed=bool(request.stream) or asked.background,
        model=request.model,
        created=int(time.time()),
        sender=replace(sent.sender, on_disconnect=OnDisconnect.CONTINUE)
        if asked.background
        else sent.sender,
        request=asked.encode() if stored else None,
        whole=request.truncation == "disabled",
        announced=True,
    )
    starting_after = head.header(b"x-greenroom-starting-after")
    return Order(
        ways=house.ways([way_to(target, made) for target in targets]),
        asked=asked,
        stream=bool(request.stream),
        starting_after=None if starting_after is None else sent.starting_after,
        event_ids=sent.event_ids,
    )


async def read_input(
    house: House, items: Sequence[Raw], param: str, *, keeps_instructions: bool = True
) -> Input:
    """Translate items, with those that are only referenced.

    Raises:
        ApiError: 400 or 404, naming the item.
        TurnFailed: the store fails.
    """
    references = await find_items(house, references_in(items, param))
    return read_items(items, param, references, keeps_instructions=keeps_instructions)


async def _input(house: House, given: str | Sequence[Raw] | None, place: Place) -> Input:
    if given is None and place.name is None:
        raise missing("input")
    if isinstance(given, str):
        return Input((UserEntry(given),), ("input",))
    if not given and place.name is None:
        raise invalid(
            "Invalid 'input': empty array. Expected an array with minimum length 1.",
            "input",
            "empty_array",
        )
    keeps = not place.is_shared
    read = await read_input(house, given or (), "input", keeps_instructions=keeps)
    answerable = any(isinstance(entry, UserEntry | ToolEntry) for entry in read.entries)
    if not answerable and place.name is None:
        raise invalid("Missing user message in `input`.", "input", code="missing_user_message")
    return read


def _pinned(entry: Entry) -> Entry:
    return replace(entry, pinned=True) if isinstance(entry, UserEntry) else entry
