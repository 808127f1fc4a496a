"""What a request's headers say beside its body: read strictly, and refused by name."""

import pytest

from greenroom.actors.turn import ForkFrom, OnBusy, OnDisconnect, Sender
from greenroom.http.errors import ApiError
from greenroom.http.sender import Request, read_request
from tests.http.conftest import exchange_of


def read(headers: dict[str, str] | None = None, body: bytes = b"{}") -> Request:
    return read_request(exchange_of(headers), body)


def sender(**headers: str) -> Sender:
    return read({name.replace("_", "-"): value for name, value in headers.items()}).sender


def test_a_request_that_says_nothing_waits_and_is_cancelled_with_its_client() -> None:
    plain = read()
    assert plain.sender.idempotency is None
    assert not plain.sender.retry
    assert plain.sender.on_busy is OnBusy.ENQUEUE
    assert plain.sender.on_disconnect is OnDisconnect.CANCEL
    assert (plain.starting_after, plain.event_ids, plain.pins, plain.once) == (
        0,
        False,
        False,
        None,
    )


def test_one_with_a_key_goes_on_without_its_client_unless_it_says_otherwise() -> None:
    assert sender(idempotency_key="k").on_disconnect is OnDisconnect.CONTINUE
    both = {"idempotency_key": "k", "x_greenroom_on_disconnect": "cancel"}
    assert sender(**both).on_disconnect is OnDisconnect.CANCEL


@pytest.mark.parametrize(
    ("count", "retry"), [("0", False), ("1", True), ("2", True), ("x", False), ("-1", False)]
)
def test_an_sdk_says_that_it_tries_again(count: str, retry: bool) -> None:
    assert sender(x_stainless_retry_count=count).retry is retry


def test_a_fingerprint_is_of_the_body_its_sender_and_whom_it_is_for() -> None:
    base = {"authorization": "Bearer a"}
    same = read(base).sender.fingerprint
    assert (
        same
        == read(
            {**base, "x-request-id": "other", "x-stainless-retry-count": "1"}
        ).sender.fingerprint
    )
    for headers, body in (
        (base, b"{ }"),
        ({"authorization": "Bearer b"}, b"{}"),
        ({**base, "x-openclaw-agent-id": "beta"}, b"{}"),
        ({**base, "x-openclaw-model": "a/b"}, b"{}"),
    ):
        assert read(headers, body).sender.fingerprint != same


def test_a_resuming_request_says_what_it_has() -> None:
    headers = {"idempotency-key": "k", "x-greenroom-starting-after": "7"}
    assert read(headers).starting_after == 7
    assert read(headers).sender.resumes
    headers["x-greenroom-starting-after"] = "0"
    assert not read(headers).sender.resumes


@pytest.mark.parametrize(
    ("value", "fork"),
    [
        ("k", ForkFrom("k")),
        ("k@12", ForkFrom("k", 12)),
        ("ada@example.org", ForkFrom("ada@example.org")),
        ("ada@example.org@3", ForkFrom("ada@example.org", 3)),
        ("@3", ForkFrom("", 3)),
    ],
)
def test_a_fork_names_its_source_and_maybe_a_number(value: str, fork: ForkFrom) -> None:
    assert sender(x_greenroom_fork_from=value).fork == fork


@pytest.mark.parametrize(
    ("headers", "param"),
    [
        ({"idempotency-key": "x" * 256}, "Idempotency-Key"),
        ({"x-greenroom-starting-after": "1"}, "x-greenroom-starting-after"),
        (
            {"idempotency-key": "k", "x-greenroom-starting-after": "-1"},
            "x-greenroom-starting-after",
        ),
        ({"x-greenroom-on-busy": "wait"}, "x-greenroom-on-busy"),
        ({"x-greenroom-on-disconnect": "stay"}, "x-greenroom-on-disconnect"),
        ({"x-greenroom-event-ids": "yes"}, "x-greenroom-event-ids"),
        ({"x-greenroom-pin": "1"}, "x-greenroom-pin"),
    ],
)
def test_what_cannot_be_is_refused_by_name(headers: dict[str, str], param: str) -> None:
    with pytest.raises(ApiError) as caught:
        read(headers)
    assert (caught.value.status, caught.value.body.param) == (400, param)
