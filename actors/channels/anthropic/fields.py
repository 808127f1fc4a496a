"""A client's request fields on their way to an API that knows some of them: taken, dropped or refused.

It knows that none gets lost: a field that nobody takes is dropped by name, for the log. Names are
OpenAI's, as the client spells them; what they mean here is for others to know. Pure.
"""

from collections.abc import Mapping

import msgspec

from greenroom.actors.failure import FailureKind, TurnFailed


def refused(param: str, why: str, code: str = "unsupported_value") -> TurnFailed:
    """Return the refusal of a request that this API cannot serve, which names the field `param`."""
    return TurnFailed.of(FailureKind.INVALID_REQUEST, why, param=param, code=code)


def parsed(raw: bytes) -> object:
    """Return the value of a client's JSON, or None if it is none."""
    try:
        value: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return value


class Fields:
    """The fields of one request that have no place of their own in a prompt, JSON by name."""

    def __init__(self, extra: Mapping[str, bytes]) -> None:
        self._left = dict(extra)
        self._dropped: dict[str, None] = {}

    def take(self, name: str) -> object:
        """Return the value of a field, which is no longer left; None if it is absent or null.

        What is no JSON is dropped.
        """
        raw = self._left.pop(name, b"null")
        value = parsed(raw)
        if value is None and raw.strip() != b"null":
            self.drop(name)
        return value

    def drop(self, name: str) -> None:
        """Note that what a field asks for has no place in the API."""
        self._dropped[name] = None

    def drop_rest(self) -> None:
        """Drop what nobody took; null asks for nothing."""
        for name, raw in self._left.items():
            if raw.strip() != b"null":
                self.drop(name)
        self._left.clear()

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names of what was dropped, once each."""
        return tuple(self._dropped)
