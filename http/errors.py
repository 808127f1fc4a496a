"""The error envelope of the OpenAI API, and the one table from what went wrong to status and type.

Every answer that is not a success is an `ApiError`: HTTP before the first byte, an event in a stream
after it. The table follows what the SDKs do with a status: 408, 409, 429 and 5xx are retried.
"""

from collections.abc import Mapping

import msgspec

from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.runtime import ActorCrashed, DirectoryFull, RuntimeFault

INVALID_REQUEST = "invalid_request_error"
NO_RETRY = {"x-should-retry": "false"}


class ErrorBody(msgspec.Struct, frozen=True):
    """What the envelope holds; all four keys are always there."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Envelope(msgspec.Struct, frozen=True):
    """`{"error": {…}}`."""

    error: ErrorBody


class ApiError(Exception):
    """A request's failure as its client sees it."""

    def __init__(
        self,
        status: int,
        type_: str,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = ErrorBody(message, type_, param, code)
        self.headers = dict(headers or {})

    def encode(self) -> bytes:
        """Return the envelope as JSON."""
        return msgspec.json.encode(Envelope(self.body))


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return a 400 that names the field."""
    return ApiError(400, INVALID_REQUEST, message, param=param, code=code)


def missing(param: str) -> ApiError:
    """Return a 400 for a field that is not there."""
    return invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


_TABLE: dict[FailureKind, tuple[int, str, str | None, str]] = {
    # kind: status, type, code (below 500 only if the failure has none), what stands before the message
    FailureKind.INVALID_REQUEST: (400, INVALID_REQUEST, None, ""),
    FailureKind.NOT_FOUND: (404, INVALID_REQUEST, None, ""),
    FailureKind.BUSY: (429, "rate_limit_error", "busy", ""),
    FailureKind.STOPPING: (503, "api_error", "stopping", ""),
    FailureKind.CONFLICT: (409, INVALID_REQUEST, "conflict", ""),
    FailureKind.STORE: (503, "api_error", "store_unavailable", "the store failed: "),
    FailureKind.INTERRUPTED: (503, "api_error", "interrupted", ""),
    FailureKind.INTERNAL: (500, "api_error", "internal_error", "internal error: "),
    FailureKind.UPSTREAM_REJECTED: (400, INVALID_REQUEST, None, ""),
    FailureKind.UPSTREAM_AUTHENTICATION: (
        502,
        "api_error",
        "upstream_auth_error",
        "upstream provider error: ",
    ),
    FailureKind.UPSTREAM_QUOTA: (402, "insufficient_quota", "insufficient_quota", ""),
    FailureKind.UPSTREAM_RATE_LIMITED: (429, "rate_limit_error", "rate_limit_exceeded", ""),
    FailureKind.UPSTREAM_OVERLOADED: (
        503,
        "api_error",
        "upstream_overloaded",
        "upstream provider overloaded: ",
    ),
    FailureKind.UPSTREAM_TIMEOUT: (
        504,
        "api_error",
        "upstream_timeout",
        "upstream provider timeout: ",
    ),
    FailureKind.UPSTREAM_ERROR: (502, "api_error", "upstream_error", "upstream provider error: "),
}
_POINTLESS_TO_RETRY = {
    FailureKind.CONFLICT,
    FailureKind.UPSTREAM_AUTHENTICATION,
    FailureKind.UPSTREAM_QUOTA,
}
_SOON = {FailureKind.STOPPING, FailureKind.INTERRUPTED}
"""What another gateway, or this one once it is up again, would answer."""
_SOON_S = 1.0


def of_failure(failure: Failure) -> ApiError:
    """Translate a turn's failure."""
    status, type_, code, before = _TABLE[failure.kind]
    headers = {f"x-ratelimit-{name}": value for name, value in failure.limits.items()}
    after = failure.retry_after
    if after is None and failure.kind in _SOON:
        after = _SOON_S
    if after is not None:
        headers["retry-after-ms"] = str(max(1, round(after * 1000)))
        seconds = f"{max(after, 0.001):.3f}"
        headers["retry-after"] = seconds.rstrip("0").removesuffix(".")
    if failure.kind in _POINTLESS_TO_RETRY:
        headers |= NO_RETRY
    return ApiError(
        status,
        type_,
        before + failure.message,
        param=failure.param,
        code=code if status >= 500 else failure.code or code,
        headers=headers,
    )


def of_exception(error: Exception) -> ApiError:
    """Translate what came out of submitting a turn; what is not known is our own fault."""
    match error:
        case ApiError():
            return error
        case TurnFailed():
            return of_failure(error.failure)
        case DirectoryFull():
            return ApiError(
                503,
                "api_error",
                f"This agent has its {error.limit} sessions alive. Try again later.",
                code="too_many_sessions",
                headers=NO_RETRY,
            )
        case RuntimeFault() if not isinstance(error, ActorCrashed):
            return of_failure(Failure(FailureKind.STOPPING, "The session is stopping. Try again."))
        case _:
            return ApiError(500, "api_error", "internal error", code="internal_error")
