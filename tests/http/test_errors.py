"""Rules of the error envelope: every kind of failure has its row, and SDKs act on it rightly."""

import json

import pytest

from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.http.errors import ApiError, invalid, of_exception, of_failure
from greenroom.runtime import ActorCrashed, DirectoryFull, NotAccepted

TABLE = {
    FailureKind.INVALID_REQUEST: (400, "invalid_request_error", None),
    FailureKind.NOT_FOUND: (404, "invalid_request_error", None),
    FailureKind.BUSY: (429, "rate_limit_error", "busy"),
    FailureKind.CONFLICT: (409, "invalid_request_error", "conflict"),
    FailureKind.STORE: (503, "api_error", "store_unavailable"),
    FailureKind.STOPPING: (503, "api_error", "stopping"),
    FailureKind.INTERRUPTED: (503, "api_error", "interrupted"),
    FailureKind.INTERNAL: (500, "api_error", "internal_error"),
    FailureKind.UPSTREAM_REJECTED: (400, "invalid_request_error", None),
    FailureKind.UPSTREAM_AUTHENTICATION: (502, "api_error", "upstream_auth_error"),
    FailureKind.UPSTREAM_QUOTA: (402, "insufficient_quota", "insufficient_quota"),
    FailureKind.UPSTREAM_RATE_LIMITED: (429, "rate_limit_error", "rate_limit_exceeded"),
    FailureKind.UPSTREAM_OVERLOADED: (503, "api_error", "upstream_overloaded"),
    FailureKind.UPSTREAM_TIMEOUT: (504, "api_error", "upstream_timeout"),
    FailureKind.UPSTREAM_ERROR: (502, "api_error", "upstream_error"),
}


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_of_failure_has_its_row(kind: FailureKind) -> None:
    error = of_failure(Failure(kind, "Because.", param="here"))
    assert (error.status, error.body.type, error.body.code) == TABLE[kind]
    assert error.body.param == "here"
    assert error.body.message.endswith("Because.")


@pytest.mark.parametrize("kind", FailureKind)
def test_a_failures_own_code_is_told_where_the_caller_is_to_blame(kind: FailureKind) -> None:
    error = of_failure(Failure(kind, "x", code="mine"))
    assert error.body.code == ("mine" if error.status < 500 else TABLE[kind][2])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (FailureKind.UPSTREAM_ERROR, "upstream provider error"),
        (FailureKind.UPSTREAM_OVERLOADED, "upstream provider overloaded"),
        (FailureKind.UPSTREAM_TIMEOUT, "upstream provider timeout"),
        (FailureKind.INTERNAL, "internal error"),
    ],
)
def test_an_upstreams_failure_has_the_products_words(kind: FailureKind, words: str) -> None:
    assert of_failure(Failure(kind, "x")).body.message.startswith(words)


@pytest.mark.parametrize("kind", FailureKind)
def test_an_sdk_is_told_not_to_retry_what_is_retried_in_vain(kind: FailureKind) -> None:
    in_vain = kind in (
        FailureKind.CONFLICT,
        FailureKind.UPSTREAM_AUTHENTICATION,
        FailureKind.UPSTREAM_QUOTA,
    )
    assert (of_failure(Failure(kind, "x")).headers.get("x-should-retry") == "false") == in_vain


@pytest.mark.parametrize(
    ("seconds", "milliseconds", "in_seconds"),
    [(2, "2000", "2"), (0.5, "500", "0.5"), (0, "1", "0.001"), (90.25, "90250", "90.25"),
     (1_234_567, "1234567000", "1234567")],
)  # fmt: skip
def test_when_to_retry_is_said_in_both_headers_and_never_as_zero(
    seconds: float, milliseconds: str, in_seconds: str
) -> None:
    headers = of_failure(Failure(FailureKind.BUSY, "x", retry_after=seconds)).headers
    assert headers["retry-after-ms"] == milliseconds
    assert headers["retry-after"] == in_seconds


def test_without_a_time_there_is_no_header() -> None:
    assert of_failure(Failure(FailureKind.BUSY, "x")).headers == {}


@pytest.mark.parametrize("kind", [FailureKind.STOPPING, FailureKind.INTERRUPTED])
def test_who_is_cut_short_by_a_stop_is_told_when_to_come_back(kind: FailureKind) -> None:
    assert of_failure(Failure(kind, "x")).headers == {"retry-after-ms": "1000", "retry-after": "1"}
    assert of_failure(Failure(kind, "x", retry_after=3)).headers["retry-after"] == "3"


def test_the_envelope_has_its_four_keys_always() -> None:
    assert json.loads(invalid("No.").encode()) == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}
    }
    assert json.loads(invalid("No.", "a", "b").encode())["error"] | {} == {
        "message": "No.",
        "type": "invalid_request_error",
        "param": "a",
        "code": "b",
    }


def test_what_comes_out_of_a_submission_has_a_status() -> None:
    refused = invalid("No.")
    assert of_exception(refused) is refused
    assert of_exception(TurnFailed.of(FailureKind.BUSY, "x")).status == 429
    full = of_exception(DirectoryFull("agent:main", 3))
    assert (full.status, full.body.code, full.headers["x-should-retry"]) == (
        503,
        "too_many_sessions",
        "false",
    )
    assert of_exception(NotAccepted("gone")).status == 503


@pytest.mark.parametrize(
    "error", [ValueError("secret"), KeyError("secret"), ActorCrashed("secret")]
)
def test_our_own_faults_say_nothing_of_themselves(error: Exception) -> None:
    told = of_exception(error)
    assert (told.status, told.body.type, told.body.code) == (500, "api_error", "internal_error")
    assert told.body.message == "internal error"
    assert b"secret" not in told.encode()


def test_an_error_carries_its_headers_by_value() -> None:
    headers = {"a": "b"}
    error = ApiError(400, "t", "m", headers=headers)
    headers["c"] = "d"
    assert error.headers == {"a": "b"}
