"""What is asked next when a call fails before its first word: the table of `attempts`, row by row."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.attempts import Again, Attempts, GiveUp
from greenroom.actors.failure import Failure, FailureKind
from greenroom.actors.settings import Retry
from greenroom.actors.turn import Route

ONE, TWO, THREE = Route("a", "1"), Route("b", "2"), Route("c", "3")
RETRY = Retry(times=2, first=1.0, most=8.0)

HOPELESS = {
    FailureKind.INVALID_REQUEST,
    FailureKind.UPSTREAM_REJECTED,
    FailureKind.STOPPING,
    FailureKind.INTERRUPTED,
    FailureKind.CONFLICT,
    FailureKind.STORE,
}
PASSING = {
    FailureKind.UPSTREAM_RATE_LIMITED,
    FailureKind.UPSTREAM_OVERLOADED,
    FailureKind.UPSTREAM_ERROR,
}
ANOTHERS = set(FailureKind) - HOPELESS - PASSING


def failure(kind: FailureKind, text: str = "It broke.", after: float | None = None) -> Failure:
    return Failure(kind, text, retry_after=after)


def attempts(*fallbacks: Route) -> Attempts:
    made = Attempts(ONE, fallbacks, Random(1))
    assert made.begin() == ONE
    return made


@pytest.mark.parametrize("kind", sorted(HOPELESS))
def test_a_request_that_is_wrong_is_told_at_once(kind: FailureKind) -> None:
    assert attempts(TWO).failed(failure(kind), RETRY) == GiveUp(failure(kind))


@pytest.mark.parametrize("kind", sorted(ANOTHERS))
def test_what_asking_again_cannot_mend_goes_to_the_next_model(kind: FailureKind) -> None:
    assert attempts(TWO).failed(failure(kind), RETRY) == Again(TWO)
    assert attempts().failed(failure(kind), RETRY) == GiveUp(failure(kind))


@pytest.mark.parametrize("kind", sorted(PASSING))
def test_what_passes_is_asked_again_with_growing_waits_then_the_next_model(
    kind: FailureKind,
) -> None:
    made = attempts(TWO)
    waits: list[float] = []
    for _ in range(RETRY.times):
        step = made.failed(failure(kind), RETRY)
        assert isinstance(step, Again)
        assert step.route == ONE == made.begin()
        waits.append(step.seconds)
    assert 0.75 <= waits[0] <= 1.0
    assert 1.5 <= waits[1] <= 2.0
    assert made.failed(failure(kind), RETRY) == Again(TWO)
    assert made.begin() == TWO
    assert made.count == 4


def test_an_upstreams_own_wish_is_waited_for_if_it_is_not_too_long() -> None:
    slow = failure(FailureKind.UPSTREAM_RATE_LIMITED, after=5.0)
    assert attempts(TWO).failed(slow, RETRY) == Again(ONE, 5.0)
    slower = failure(FailureKind.UPSTREAM_RATE_LIMITED, after=9.0)
    assert attempts(TWO).failed(slower, RETRY) == Again(TWO)
    assert attempts().failed(slower, RETRY) == GiveUp(slower)


def test_a_call_that_never_began_is_not_made_again() -> None:
    resting = failure(FailureKind.UPSTREAM_OVERLOADED)
    assert attempts(TWO).failed(resting, None) == Again(TWO)


def test_where_all_fail_the_first_models_failure_is_told() -> None:
    made = attempts(TWO, THREE)
    first = failure(FailureKind.UPSTREAM_TIMEOUT, "The first.")
    assert made.failed(first, RETRY) == Again(TWO)
    made.begin()
    assert made.failed(failure(FailureKind.NOT_FOUND), RETRY) == Again(THREE)
    made.begin()
    assert made.failed(failure(FailureKind.UPSTREAM_QUOTA), RETRY) == GiveUp(first)


def test_a_bound_of_our_own_is_not_told_where_a_model_said_more() -> None:
    made = attempts(TWO)
    made.failed(failure(FailureKind.BUSY), None)
    made.begin()
    last = failure(FailureKind.UPSTREAM_QUOTA, "No money.")
    assert made.failed(last, RETRY) == GiveUp(last)


def test_a_fallback_that_cannot_take_the_request_does_not_hide_why_it_was_asked() -> None:
    made = attempts(TWO)
    first = failure(FailureKind.UPSTREAM_TIMEOUT, "The first.")
    made.failed(first, RETRY)
    made.begin()
    assert made.failed(failure(FailureKind.UPSTREAM_REJECTED), RETRY) == GiveUp(first)


@given(
    kinds=st.lists(st.sampled_from(FailureKind), min_size=40, max_size=40),
    fallbacks=st.lists(st.sampled_from([TWO, THREE]), unique=True),
    times=st.integers(0, 3),
)
def test_it_comes_to_an_end_and_never_goes_back(
    kinds: list[FailureKind], fallbacks: list[Route], times: int
) -> None:
    made = Attempts(ONE, fallbacks, Random(1))
    asked: list[Route] = []
    for kind in kinds:
        asked.append(made.begin())
        step = made.failed(failure(kind), Retry(times=times))
        if isinstance(step, GiveUp):
            break
        assert 0 <= step.seconds <= 8
    else:
        raise AssertionError("it goes on for ever")
    assert len(asked) == made.count <= (times + 1) * (len(fallbacks) + 1)
    order = [ONE, *fallbacks]
    places = [order.index(route) for route in asked]
    assert places == sorted(places)
