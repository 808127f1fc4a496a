"""Where a response goes, and from where it goes on: from ids and keys to sessions.

A response that names the one before it goes on in that one's session while it is the last there, and else
forks the session as it stood then; a conversation it always forks, because only who names that talks in
it. One that names a conversation goes on in that. One that names neither
has the session of its key or its user, or one of its own; if it is not to be stored, one that passes.
"""

import msgspec
from msgspec.structs import replace

from greenroom.actors.failure import TurnFailed
from greenroom.actors.house import House, Way
from greenroom.actors.selection import Selection, Wish
from greenroom.actors.stores.records import SessionName
from greenroom.actors.turn import ForkFrom, TurnRequest
from greenroom.actors.turns import Found
from greenroom.http.errors import INVALID_REQUEST, NO_RETRY, ApiError, invalid, of_failure
from greenroom.http.exchange import Head
from greenroom.http.responses.asked import Asked
from greenroom.http.responses.finding import find_conversation, find_response
from greenroom.http.responses.ids import is_conversation
from greenroom.http.sender import Request

RESPONSES_LAST_S = 30 * 86_400.0
"""How long a session that was made for responses stays after the last of them: as long as OpenAI's."""


class Place(msgspec.Struct, frozen=True):
    """What a request names: its model, its user if that derives a session, and what it goes on from.

    `key` is the session key of its header. `name` is the session of its conversation, or of the response
    before it (`previous`), the last number of which is `until`, None while that has not ended.
    """

    model: str
    user: str | None = None
    key: str | None = None
    name: SessionName | None = None
    previous: Found | None = None
    until: int | None = None

    @property
    def is_shared(self) -> bool:
        """Whether the session is the client's to know, so that it may send again what is there."""
        return self.name is None and (self.key is not None or self.user is not None)


class Target(msgspec.Struct, frozen=True):
    """A session that a turn is tried in, and as what."""

    selection: Selection
    follows: str | None = None
    fork: ForkFrom | None = None
    appends: bool = True


async def find_place(
    house: House, head: Head, request: Request, asked: Asked, model: str, user: str | None
) -> Place:
    """Look up what a request names.

    Raises:
        ApiError: 404, there is no such response or conversation; 400, the names do not go together.
        TurnFailed: the store fails.
    """
    place = Place(model, user, head.header(b"x-openclaw-session-key"))
    if asked.conversation is not None:
        name = await find_conversation(house, asked.conversation, "conversation")
        place = replace(place, name=name)
    if asked.previous_response_id is not None:
        id_, param = asked.previous_response_id, "previous_response_id"
        previous = await find_response(house, id_, param, "previous_response_not_found")
        until = await house.turns.until(previous.name, previous.turn.accepted.id)
        place = replace(place, name=previous.name, previous=previous, until=until)
    if place.name is not None:
        _check_names(house, head, request, place, place.name)
    return place


def targets_of(
    house: House, head: Head, request: Request, asked: Asked, place: Place, turn: str
) -> tuple[Target, ...]:
    """Return where the turn of that id is to be tried, the last of which takes it in any case.

    Raises:
        ApiError: 400 or 404, for an agent, a model or a key that cannot be; 409, for a response that
            would fork another one's session before that has ended.
    """
    agent = head.header(b"x-openclaw-agent-id") or head.header(b"x-openclaw-agent")
    if place.name is not None:
        agent = place.name.agent
    wish = Wish(place.model, agent=agent, override=head.header(b"x-openclaw-model"))
    previous, once = place.previous, request.once
    if place.is_shared:
        shared = replace(wish, session_key=place.key, user=place.user)
        return (Target(_select(house, shared), fork=request.sender.fork, appends=False),)
    if place.name is not None and previous is None:
        return (Target(replace(_select(house, wish), session=place.name.key, ephemeral=False)),)
    targets: list[Target] = []
    fork = request.sender.fork
    if previous is not None and place.name is not None:
        fork = ForkFrom(place.name.key, place.until, as_it_stood=True)
        if asked.store and not is_conversation(place.name.key):
            here = replace(_select(house, wish), session=place.name.key, ephemeral=False)
            targets.append(Target(here, follows=previous.turn.accepted.id))
        if place.until is None and not targets:
            raise in_progress(asked)
        if place.until is None:
            return tuple(targets)
    if asked.store:
        named = [replace(wish, own=own) for own in (once, turn) if own is not None]
        targets += [Target(_select(house, own), follows="", fork=fork) for own in named]
        return tuple(targets)
    if once is not None and previous is None:
        targets.append(Target(_select(house, replace(wish, once=once)), follows="", fork=fork))
    return (*targets, Target(_select(house, wish), fork=fork))


def way_to(target: Target, turn: TurnRequest) -> Way:
    """Return a turn as it goes to a target."""
    selection = target.selection
    made = replace(
        turn,
        route=selection.route,
        fallbacks=selection.fallbacks,
        is_own=selection.is_own,
        ephemeral=selection.ephemeral,
        follows=target.follows,
        appends=target.appends,
        lasts=RESPONSES_LAST_S if target.follows == "" else None,
        sender=replace(turn.sender, fork=target.fork),
    )
    return Way(selection, made)


def in_progress(asked: Asked) -> ApiError:
    """Return the refusal of a response that cannot wait for the one that it goes on from."""
    what = f"Response '{asked.previous_response_id}' is still in progress."
    param = "previous_response_id"
    code = "response_in_progress"
    return ApiError(409, INVALID_REQUEST, what, param=param, code=code, headers=NO_RETRY)


def _select(house: House, wish: Wish) -> Selection:
    try:
        return house.select(wish)
    except TurnFailed as failed:
        raise of_failure(failed.failure) from None


def _check_names(
    house: House, head: Head, request: Request, place: Place, name: SessionName
) -> None:
    """Refuse a request that names a session by an id, and another one in another way."""
    what = "conversation" if place.previous is None else "previous_response_id"
    header = head.header(b"x-openclaw-agent-id") or head.header(b"x-openclaw-agent")
    try:
        named = header or house.agent_in(place.model)
    except TurnFailed as failed:
        raise of_failure(failed.failure) from None
    if named is not None and named.lower() != name.agent:
        param = "model" if header is None else "x-openclaw-agent-id"
        message = f"`{what}` belongs to agent '{name.agent}', but the request names '{named}'."
        raise invalid(message, param, "invalid_value")
    if place.key is not None and place.key != name.key:
        message = f"`{what}` and `x-openclaw-session-key` name different sessions."
        raise invalid(message, "x-openclaw-session-key", "invalid_value")
    if request.sender.fork is not None:
        message = f"`x-greenroom-fork-from` begins a new session, and `{what}` goes on with one."
        raise invalid(message, "x-greenroom-fork-from", "invalid_value")
