"""How a store is asked for turns of all its sessions, and what it gives."""

import msgspec

from greenroom.actors.stores.records import SessionName, StoredTurn


class FoundTurn(msgspec.Struct, frozen=True):
    """A turn, and the session that it is of."""

    name: SessionName
    turn: StoredTurn


class TurnQuery(msgspec.Struct, frozen=True):
    """Which turns of all sessions: by their clients' model, and by metadata that they have.

    A turn that came in by an API with a `request` of its own is none of them, and none without a model.
    They come in the order in which the store got them, or the other way round where `latest_first`.
    `after` is the last turn of the page before, `limit` how many there are on one.
    """

    turn: str | None = None
    model: str | None = None
    metadata: dict[str, str] = {}
    after: str | None = None
    limit: int = 20
    latest_first: bool = False


class TurnPage(msgspec.Struct, frozen=True):
    """Some turns, and whether there are more behind them."""

    turns: tuple[FoundTurn, ...]
    more: bool
