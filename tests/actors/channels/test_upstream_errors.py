"""What an upstream's error means, and that nothing of it leaks or overflows."""

from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.failure import Failure, FailureKind

KEY = "hunter2-hunter2"
ERRORS = UpstreamErrors("local", [KEY])
Body = str | dict[str, object] | list[object]

QUOTA_CODES = ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"]


class Row(NamedTuple):
    status: int
    body: Body
    kind: FailureKind
    code: str | None = None
    param: str | None = None


def envelope(message: str = "No.", **more: object) -> dict[str, object]:
    return {"error": {"message": message, "type": None, "param": None, "code": None} | more}


def answer(status: int, body: Body = "", **headers: str) -> Failure:
    raw = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    return ERRORS.of_response(status, {k.replace("_", "-"): v for k, v in headers.items()}, raw)


K = FailureKind
TOO_LONG = "context_length_exceeded"
TABLE = [
    Row(400, envelope(param="tools", code="bad_tool"), K.UPSTREAM_REJECTED, "bad_tool", "tools"),
    Row(400, envelope(code=TOO_LONG, param="messages"), K.UPSTREAM_REJECTED, TOO_LONG, "messages"),
    Row(400, envelope("maximum context length is 8192 tokens"), K.UPSTREAM_REJECTED, TOO_LONG),
    Row(400, envelope("prompt is too long: 9 tokens > 8 maximum"), K.UPSTREAM_REJECTED, TOO_LONG),
    Row(
        400,
        envelope("the request exceeds the available context size"),
        K.UPSTREAM_REJECTED,
        TOO_LONG,
    ),
    Row(400, envelope(type="exceed_context_size_error"), K.UPSTREAM_REJECTED, TOO_LONG),
    Row(400, envelope(code="model_not_found"), K.NOT_FOUND, "model_not_found", "model"),
    Row(
        400, envelope("API key not valid. Please pass a valid API key."), K.UPSTREAM_AUTHENTICATION
    ),
    Row(401, envelope(code="invalid_api_key"), K.UPSTREAM_AUTHENTICATION),
    Row(402, envelope("Insufficient Balance"), K.UPSTREAM_QUOTA, "insufficient_quota"),
    Row(
        400,
        envelope("Your credit balance is too low to access the Anthropic API."),
        K.UPSTREAM_QUOTA,
        "insufficient_quota",
    ),
    Row(
        400,
        envelope("input length and `max_tokens` exceed context limit: 9 + 9 > 8"),
        K.UPSTREAM_REJECTED,
        TOO_LONG,
    ),
    Row(
        429,
        envelope(type="rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
        K.UPSTREAM_QUOTA,
        "insufficient_quota",
    ),
    Row(
        400,
        envelope(type="invalid_request_error", details={"error_code": "tool_name_conflict"}),
        K.UPSTREAM_REJECTED,
        "tool_name_conflict",
    ),
    Row(403, envelope("Country not supported"), K.UPSTREAM_AUTHENTICATION),
    Row(404, envelope("The model `x` does not exist"), K.NOT_FOUND, "model_not_found", "model"),
    Row(404, envelope(code="model_not_found"), K.NOT_FOUND, "model_not_found", "model"),
    Row(404, [envelope(code=404, status="NOT_FOUND")], K.NOT_FOUND, "model_not_found", "model"),
    Row(404, {"error": "model 'x' not found"}, K.NOT_FOUND, "model_not_found", "model"),
    Row(404, {"detail": "Not Found"}, K.UPSTREAM_ERROR),
    Row(404, "404 page not found", K.UPSTREAM_ERROR),
    Row(408, envelope(), K.UPSTREAM_TIMEOUT),
    Row(409, envelope(), K.UPSTREAM_ERROR),
    Row(413, envelope(code="request_too_large"), K.UPSTREAM_REJECTED, "request_too_large"),
    Row(413, "<html>Request Entity Too Large</html>", K.UPSTREAM_REJECTED),
    Row(422, {"detail": "bad"}, K.UPSTREAM_REJECTED),
    Row(429, envelope(code="rate_limit_exceeded"), K.UPSTREAM_RATE_LIMITED, "rate_limit_exceeded"),
    Row(429, [envelope(code=429, status="RESOURCE_EXHAUSTED")], K.UPSTREAM_RATE_LIMITED),
    *(
        Row(429, envelope(code=code), K.UPSTREAM_QUOTA, "insufficient_quota")
        for code in QUOTA_CODES
    ),
    Row(429, envelope(type="insufficient_quota"), K.UPSTREAM_QUOTA, "insufficient_quota"),
    Row(500, envelope(code="server_error"), K.UPSTREAM_ERROR, "server_error"),
    Row(502, "<html>Bad Gateway</html>", K.UPSTREAM_ERROR),
    Row(503, envelope(), K.UPSTREAM_OVERLOADED),
    Row(504, "<html>Gateway Time-out</html>", K.UPSTREAM_TIMEOUT),
    Row(520, "", K.UPSTREAM_ERROR),
    Row(529, envelope(type="overloaded_error"), K.UPSTREAM_OVERLOADED),
    Row(301, "", K.UPSTREAM_ERROR),
    Row(400, "<!doctype html><p>Bad Request</p>", K.UPSTREAM_ERROR),
    Row(403, "<html>You are blocked</html>", K.UPSTREAM_ERROR),
    Row(418, envelope(), K.UPSTREAM_ERROR),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.status}-{row.kind}-{row.code}")
def test_status_and_names_tell_whose_fault_it_is(row: Row) -> None:
    failure = answer(row.status, row.body)
    assert (failure.kind, failure.code, failure.param) == (row.kind, row.code, row.param)
    assert failure.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "server_error", "code": "server_error"}, K.UPSTREAM_ERROR),
        ({"code": 429}, K.UPSTREAM_RATE_LIMITED),
        ({"code": "503"}, K.UPSTREAM_OVERLOADED),
        ({"status": "RESOURCE_EXHAUSTED"}, K.UPSTREAM_RATE_LIMITED),
        ({"type": "rate_limit_error"}, K.UPSTREAM_RATE_LIMITED),
        ({"type": "overloaded_error"}, K.UPSTREAM_OVERLOADED),
        ({"type": "service_unavailable_error"}, K.UPSTREAM_OVERLOADED),
        ({"code": "server_is_overloaded"}, K.UPSTREAM_OVERLOADED),
        ({"code": "slow_down"}, K.UPSTREAM_OVERLOADED),
        ({"message": "Server overloaded, please retry shortly"}, K.UPSTREAM_OVERLOADED),
        ({"message": "server busy, please try again."}, K.UPSTREAM_OVERLOADED),
        ({"type": "timeout_error"}, K.UPSTREAM_TIMEOUT),
        ({"type": "authentication_error"}, K.UPSTREAM_AUTHENTICATION),
        ({"type": "tokens", "code": "insufficient_quota"}, K.UPSTREAM_QUOTA),
        ({"type": "invalid_request_error"}, K.UPSTREAM_REJECTED),
        ({"type": "BadRequestError", "code": 400}, K.UPSTREAM_REJECTED),
        ({"type": "NotFoundError"}, K.NOT_FOUND),
        ({"message": "maximum context length is 8192"}, K.UPSTREAM_REJECTED),
        ({"type": 5, "code": {}, "message": []}, K.UPSTREAM_ERROR),
    ],
)
def test_an_error_within_an_answer_is_known_by_its_names_or_its_message(
    error: dict[str, object], kind: FailureKind
) -> None:
    assert ERRORS.of_event(msgspec.json.encode({"error": error})).failure.kind == kind
    assert ERRORS.of_event(msgspec.json.encode([{"error": error}])).failure.kind == kind


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "why"}},
        {"error": "why"},
        {"error": "x", "message": "why"},
        [{"error": {"message": "why"}}],
        {"message": "why"},
        {"detail": "why"},
        {"detail": {"message": "why"}},
        {"detail": [{"loc": ["body", "messages", 0], "msg": "why"}]},
        {"object": "error", "message": "why", "code": 400},
        '"why"',
        "why",
    ],
)
def test_the_message_is_found_in_every_envelope(body: Body) -> None:
    assert answer(400, body).message == "why"


def test_the_field_that_a_validation_error_names_is_kept() -> None:
    failure = answer(422, {"detail": [{"loc": ["body", "messages", 0], "msg": "why"}]})
    assert failure.param == "messages.0"


@pytest.mark.parametrize("status", [429, 503, 529])
def test_the_wait_is_passed_on_where_waiting_helps(status: int) -> None:
    assert answer(status, envelope(), retry_after_ms="1500", retry_after="9").retry_after == 1.5


@pytest.mark.parametrize("status", [400, 401, 402, 408, 500, 502, 504])
def test_elsewhere_it_is_not(status: int) -> None:
    assert answer(status, envelope(), retry_after="9").retry_after is None


def test_no_key_is_in_a_message_or_a_field() -> None:
    failure = answer(400, envelope(f"no {KEY}, no sk-abcdef123456", param=KEY))
    assert failure.message == "no [redacted], no [redacted]"
    assert failure.param == "[redacted]"


def test_our_credentials_are_refused_in_words_that_do_not_blame_the_callers() -> None:
    failure = answer(
        401, envelope("Incorrect API key provided: sk-ab**yz12.", code="invalid_api_key")
    )
    assert failure.message.startswith("The provider 'local' refused our credentials")
    assert failure.code is None


def test_a_message_is_cut_to_size_and_a_key_at_the_cut_is_not_shown_in_half() -> None:
    message = answer(400, envelope("x" * 990 + " sk-abcdef1234567890" + "y " * 10_000)).message
    assert len(message) == 1000
    assert "sk-" not in message


def test_line_breaks_and_control_characters_do_not_get_into_a_message() -> None:
    assert answer(400, envelope("a\r\nb\x1b[0mc")).message == "a b [0mc"


def test_an_html_page_is_never_quoted() -> None:
    assert answer(502, "<html>secret</html>").message == (
        "The provider 'local' answered 502 with a page that is not its API's."
    )
    assert "oops" not in answer(502, "oops", content_type="text/html").message


@given(st.integers(100, 999), st.binary())
def test_any_body_is_read_without_an_error(status: int, body: bytes) -> None:
    assert ERRORS.of_response(status, {}, body).message
    assert ERRORS.of_event(body).failure.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "status", "detail", "param", "loc", "msg"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.integers(400, 599), JSON)
def test_any_envelope_is_read_without_an_error(status: int, body: object) -> None:
    raw = msgspec.json.encode(body)
    assert ERRORS.of_response(status, {}, raw).message
    assert ERRORS.of_event(raw).failure.message
