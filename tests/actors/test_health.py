"""What fails in a row rests, one probe ends the rest, and one model's trouble is not its neighbour's."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.failure import UNREACHABLE, Failure, FailureKind
from greenroom.actors.health import MOST_MODELS, Health, Recovered, Rest, Resting, Standing
from greenroom.actors.settings import Cooldown

ERROR = Failure(FailureKind.UPSTREAM_ERROR, "It broke.")
DEAD = Failure(FailureKind.UPSTREAM_ERROR, "Nothing there.", code=UNREACHABLE)
NO_KEY = Failure(FailureKind.UPSTREAM_AUTHENTICATION, "Who are you?")
WRONG = Failure(FailureKind.UPSTREAM_REJECTED, "No.")
LEFT = Failure(FailureKind.INTERRUPTED, "Left.")


def health(failures: int = 2, seconds: float = 10.0, most: float = 35.0) -> Health:
    return Health(Cooldown(failures, seconds, most), Random(1))


def fails(of: Health, call: int, model: str, failure: Failure, at: float) -> Rest | None:
    assert of.admit(call, model, at) is None
    change = of.ended(call, model, failure, at)
    assert not isinstance(change, Recovered)
    return change


def test_after_failures_in_a_row_a_model_rests_and_its_neighbour_does_not() -> None:
    it = health()
    assert fails(it, 1, "m", ERROR, 0) is None
    rest = fails(it, 2, "m", ERROR, 1)
    assert rest is not None
    assert (rest.model, rest.failures, rest.last) == ("m", 2, ERROR)
    assert 8 <= rest.seconds <= 10
    assert it.admit(3, "m", 2) == Resting("m", 1 + rest.seconds - 2, ERROR)
    assert it.admit(4, "n", 2) is None
    assert it.standings(2) == {"m": Standing.RESTING}


def test_a_good_answer_between_them_counts_from_the_start_again() -> None:
    it = health()
    fails(it, 1, "m", ERROR, 0)
    assert it.ended(2, "m", None, 0) is None
    assert fails(it, 3, "m", ERROR, 0) is None


@pytest.mark.parametrize("failure", [DEAD, NO_KEY])
def test_what_the_whole_upstream_is_to_blame_for_rests_it_whole(failure: Failure) -> None:
    it = health()
    fails(it, 1, "m", failure, 0)
    rest = fails(it, 2, "n", failure, 0)
    assert rest is not None
    assert rest.model is None
    resting = it.admit(3, "other", 1)
    assert resting is not None
    assert resting.model is None


def test_a_request_that_was_wrong_shows_that_its_upstream_is_well() -> None:
    it = health()
    fails(it, 1, "m", ERROR, 0)
    assert fails(it, 2, "m", WRONG, 0) is None
    assert fails(it, 3, "m", ERROR, 0) is None


def test_after_the_rest_one_call_may_try_and_the_others_wait_for_it() -> None:
    it = health()
    fails(it, 1, "m", ERROR, 0)
    fails(it, 2, "m", ERROR, 0)
    assert it.admit(3, "m", 10) is None
    assert it.is_probe(3)
    assert it.standings(10) == {"m": Standing.PROBED}
    assert it.admit(4, "m", 11) == Resting("m", 0, ERROR)
    assert it.ended(3, "m", None, 12) == Recovered(("m",))
    assert it.standings(12) == {}
    assert it.admit(5, "m", 12) is None
    assert not it.is_probe(5)


def test_a_probe_that_fails_begins_a_longer_rest_up_to_the_bound() -> None:
    it = health()
    fails(it, 1, "m", ERROR, 0)
    first = fails(it, 2, "m", ERROR, 0)
    now, spans = 0.0, [] if first is None else [first.seconds]
    for call in range(3, 7):
        now += 40
        rest = fails(it, call, "m", ERROR, now)
        assert rest is not None
        spans.append(rest.seconds)
    for span, full in zip(spans, (10, 20, 35, 35, 35), strict=True):
        assert full * 0.8 <= span <= full


def test_a_probe_that_says_nothing_leaves_its_place_to_another() -> None:
    for end in (None, LEFT):
        it = health()
        fails(it, 1, "m", ERROR, 0)
        fails(it, 2, "m", ERROR, 0)
        assert it.admit(3, "m", 10) is None
        if end is None:
            it.left(3)
        else:
            assert it.ended(3, "m", end, 10) is None
        assert it.admit(4, "m", 10) is None
        assert it.is_probe(4)


def test_what_was_begun_before_the_rest_changes_nothing_about_it() -> None:
    it = health()
    for call in (1, 2, 3, 4):
        assert it.admit(call, "m", 0) is None
    it.ended(1, "m", ERROR, 0)
    assert isinstance(it.ended(2, "m", ERROR, 0), Rest)
    assert it.ended(3, "m", ERROR, 5) is None
    assert it.ended(4, "m", None, 6) is None
    assert it.admit(5, "m", 7) is not None


def test_an_upstreams_own_wish_makes_the_rest_longer_up_to_the_bound() -> None:
    for asked, rests in ((20.0, 20.0), (3600.0, 35.0)):
        it = health(failures=1)
        slow = Failure(FailureKind.UPSTREAM_RATE_LIMITED, "Slowly.", retry_after=asked)
        rest = fails(it, 1, "m", slow, 0)
        assert rest is not None
        assert rest.seconds == rests


def test_with_a_bound_of_0_nothing_rests() -> None:
    it = health(failures=0)
    for call in range(100):
        assert fails(it, call, "m", ERROR, 0) is None


def test_it_keeps_count_of_so_many_models_and_no_more() -> None:
    it = health(failures=1)
    for call in range(MOST_MODELS + 50):
        fails(it, call, f"m{call}", ERROR, 0)
    assert len(it.standings(1)) == MOST_MODELS


MODELS = st.sampled_from(["m", "n"])
ENDS = st.sampled_from([None, ERROR, DEAD, NO_KEY, WRONG, LEFT, "left"])


@settings(max_examples=200)
@given(
    program=st.lists(
        st.one_of(
            st.tuples(st.just("call"), MODELS),
            st.tuples(st.just("end"), st.integers(0, 20), ENDS),
            st.tuples(st.just("wait"), st.floats(0, 30)),
        ),
        max_size=60,
    )
)
def test_whatever_happens_one_probe_at_most_is_under_way_and_rest_ends(
    program: list[tuple[object, ...]],
) -> None:
    it = health()
    under_way: dict[int, str] = {}
    now, calls = 0.0, 0
    for step in program:
        match step:
            case ("call", str(model)):
                calls += 1
                if it.admit(calls, model, now) is None:
                    under_way[calls] = model
            case ("end", int(place), end) if under_way:
                call = list(under_way)[place % len(under_way)]
                model = under_way.pop(call)
                if isinstance(end, Failure) or end is None:
                    it.ended(call, model, end, now)
                else:
                    it.left(call)
            case ("wait", float(seconds)):
                now += seconds
            case _:
                pass
        for model in ("m", "n"):
            probes = [call for call, of in under_way.items() if of == model and it.is_probe(call)]
            assert len(probes) <= 2, "one for the model and one for the whole"
    for call in list(under_way):
        it.left(call)
    for call, model in ((1001, "m"), (1002, "n")):
        assert it.admit(call, model, now + 36) is None, "no rest is for ever"
        it.ended(call, model, None, now + 36)
    assert it.standings(now + 36) == {}
