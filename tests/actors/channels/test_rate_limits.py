"""Rules of what upstreams say of their rate limits: OpenAI's words for all, and nothing that is odd."""

import pytest

from greenroom.actors.channels.rate_limits import duration, rate_limits, reached

DATE = "Fri, 27 Nov 2026 18:00:00 GMT"


def test_openais_headers_are_taken_as_they_are() -> None:
    headers = {
        "x-ratelimit-limit-requests": "5000",
        "x-ratelimit-remaining-tokens": "159995",
        "x-ratelimit-reset-tokens": "6m0s",
        "x-ratelimit-limit-project-tokens": "7",
        "x-request-id": "r",
    }
    assert rate_limits(headers) == {
        "limit-requests": "5000",
        "remaining-tokens": "159995",
        "reset-tokens": "6m0s",
    }


def test_anthropics_are_told_in_openais_words() -> None:
    headers = {
        "date": DATE,
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-11-27T18:01:30Z",
        "anthropic-ratelimit-tokens-limit": "40000",
        "anthropic-ratelimit-tokens-reset": "2026-11-27T17:59:00Z",
        "anthropic-ratelimit-input-tokens-limit": "30000",
    }
    assert rate_limits(headers) == {
        "limit-requests": "50",
        "limit-tokens": "40000",
        "remaining-requests": "49",
        "reset-requests": "1m30s",
        "reset-tokens": "0ms",
    }


@pytest.mark.parametrize("value", ["", "a b", "x\r\ny: z", "é", "1" * 65])
def test_what_is_no_value_is_left_out(value: str) -> None:
    assert rate_limits({"x-ratelimit-limit-requests": value}) == {}


@pytest.mark.parametrize("moment", ["soon", "", "2026-11-27T18:01:30"])
def test_a_reset_that_is_no_moment_is_left_out(moment: str) -> None:
    assert rate_limits({"date": DATE, "anthropic-ratelimit-tokens-reset": moment}) == {}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0ms"), (-1, "0ms"), (0.0204, "20ms"), (1, "1s"), (1.5, "1.5s"), (90, "1m30s"), (3600, "60m0s")],
)  # fmt: skip
def test_a_time_is_told_as_openai_tells_it(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_bound_of_ours_is_told_in_the_same_words() -> None:
    assert reached(128, 1.0) == {
        "limit-requests": "128",
        "remaining-requests": "0",
        "reset-requests": "1s",
    }
