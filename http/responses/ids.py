"""What responses, their items and conversations are called: made of the turn's id, so found by it.

An item of a response's output is known by its place among its kind there; any other item by the number
that its entry has in the session's journal.
"""

import re
import secrets

import msgspec

_TURN = "[0-9a-f]{24}"
_APPENDED = "i[0-9a-f]{23}"
_RESPONSE = re.compile(f"resp_({_TURN})")
_CONVERSATION = re.compile("conv_[0-9a-f]{32}")
_ITEM = re.compile(
    rf"(?P<kind>msg|rs|fc|ctc|fco|ctco)_(?P<turn>{_TURN}|{_APPENDED})(?:s(?P<seq>\d{{1,18}}))?(?:_(?P<index>\d{{1,6}}))?"
)


class ItemId(msgspec.Struct, frozen=True):
    """An item's id, taken apart; `seq` is the number of its entry, None of an output's item."""

    kind: str
    turn: str
    seq: int | None = None
    index: int = 0

    def __str__(self) -> str:
        entry = "" if self.seq is None else f"s{self.seq}"
        index = f"_{self.index}" if self.index else ""
        return f"{self.kind}_{self.turn}{entry}{index}"


def response_id(turn: str) -> str:
    """Return the id of the response that a turn is."""
    return f"resp_{turn}"


def turn_of(response: str) -> str | None:
    """Return the id of the turn that a response is, None if this is no response's id."""
    found = _RESPONSE.fullmatch(response)
    return None if found is None else found[1]


def new_conversation() -> str:
    """Return a new conversation's id, which is its session's key."""
    return f"conv_{secrets.token_hex(16)}"


def new_appended() -> str:
    """Return a name for a turn that only adds items, and is no response."""
    return f"i{secrets.token_hex(12)[1:]}"


def is_appended(turn: str) -> bool:
    """Say whether a turn only added items."""
    return turn.startswith("i")


def is_conversation(text: str) -> bool:
    """Say whether a text could be a conversation's id."""
    return _CONVERSATION.fullmatch(text) is not None


def item_of(text: str) -> ItemId | None:
    """Return an item's id taken apart, None if it is none of ours."""
    found = _ITEM.fullmatch(text)
    if found is None:
        return None
    seq, index = found["seq"], found["index"]
    return ItemId(found["kind"], found["turn"], None if seq is None else int(seq), int(index or 0))
