"""Why a turn did not succeed, as data: named by whose fault it is, free of any wire's status codes."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from greenroom.runtime import Refusal


class FailureKind(StrEnum):
    """Whose fault it is, and so what a caller can do about it."""

    INVALID_REQUEST = "invalid_request"
    """The caller's request can never work; change it."""
    NOT_FOUND = "not_found"
    """The caller named something that does not exist."""
    BUSY = "busy"
    """A bound of ours is reached; the same request may work later."""
    STOPPING = "stopping"
    """We are shutting down."""
    CONFLICT = "conflict"
    """What was asked does not go together with what is there or under way."""
    INTERRUPTED = "interrupted"
    """The turn was ended by someone before its answer was whole."""
    STORE = "store"
    """The session could not be read or written; nothing of the turn is kept."""
    INTERNAL = "internal"
    """Our own fault."""
    UPSTREAM_REJECTED = "upstream_rejected"
    """The provider finds the request itself wrong; change it."""
    UPSTREAM_AUTHENTICATION = "upstream_authentication"
    """The provider does not accept our key, or does not allow us what was asked."""
    UPSTREAM_QUOTA = "upstream_quota"
    """The provider's account is used up."""
    UPSTREAM_RATE_LIMITED = "upstream_rate_limited"
    """The provider asks us to slow down."""
    UPSTREAM_OVERLOADED = "upstream_overloaded"
    """The provider is up and has no room."""
    UPSTREAM_TIMEOUT = "upstream_timeout"
    """The provider did not answer in time."""
    UPSTREAM_ERROR = "upstream_error"
    """The provider failed, could not be reached, or sent what is not its protocol."""


CRASH_CODE = "turn_interrupted"
"""The code of a turn that nobody ended: the gateway went down meanwhile."""
ENDED_CODE = "turn_ended"
"""The code of a turn that somebody ended who goes on from what it has said."""
UNREACHABLE = "unreachable"
"""The code of a failure for which nothing was sent, because there was no connection."""


class Failure(msgspec.Struct, frozen=True):
    """A failed turn: what to tell its caller.

    `param` names the request's field, `code` is OpenAI's machine-readable name where there is one,
    `retry_after` is in seconds. `limits` are those that were reached, as `Notes` has them.
    """

    kind: FailureKind
    message: str
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None
    limits: dict[str, str] = {}


class TurnFailed(Refusal):
    """Raised at the asker of a turn that ended without an answer, and by channels that gave none."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure

    @classmethod
    def of(
        cls,
        kind: FailureKind,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        limits: Mapping[str, str] = MappingProxyType({}),
    ) -> "TurnFailed":
        """Build it from a failure's fields."""
        return cls(Failure(kind, message, param, code, retry_after, dict(limits)))
