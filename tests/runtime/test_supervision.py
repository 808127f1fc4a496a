"""What follows an end: a table, a limit within a stretch of time, and a wait that grows."""

from collections.abc import Callable
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.runtime import (
    Backoff,
    Crashed,
    Ending,
    Finished,
    Killed,
    Permanent,
    Policy,
    Temporary,
    Transient,
)
from greenroom.runtime.supervision import (
    Decision,
    End,
    Escalate,
    RestartAfter,
    Restarted,
    Restarts,
    decide,
)

AT_ONCE = Backoff(first=0, jitter=0)
TEMPORARY, TRANSIENT, PERMANENT = Temporary(), Transient(), Permanent()
CRASHED, FINISHED, KILLED = Crashed(ValueError("broken")), Finished("done"), Killed()

COMES_BACK: list[tuple[Policy, Ending]] = [
    (TRANSIENT, CRASHED),
    (PERMANENT, CRASHED),
    (PERMANENT, FINISHED),
]
STAYS_AWAY: list[tuple[Policy, Ending]] = [
    (TEMPORARY, CRASHED),
    (TEMPORARY, FINISHED),
    (TEMPORARY, KILLED),
    (TRANSIENT, FINISHED),
    (TRANSIENT, KILLED),
    (PERMANENT, KILLED),
]


def source(seed: int = 1) -> Random:
    return Random(seed)


def decision(policy: Policy, ending: Ending, restarts: Restarts, *, told: bool) -> Decision:
    return decide(policy, ending, restarts, 100, source(), told=told)


@pytest.mark.rule("S1")
@pytest.mark.parametrize(("policy", "ending"), COMES_BACK)
def test_who_ends_against_the_policy_is_restarted(policy: Policy, ending: Ending) -> None:
    assert isinstance(decision(policy, ending, Restarts(), told=False), RestartAfter)


@pytest.mark.rule("S1")
@pytest.mark.parametrize(("policy", "ending"), STAYS_AWAY)
def test_who_ends_as_the_policy_allows_ends_for_good(policy: Policy, ending: Ending) -> None:
    assert decision(policy, ending, Restarts(), told=False) == End()


@pytest.mark.rule("S1")
def test_the_table_is_complete() -> None:
    cases = product([TEMPORARY, TRANSIENT, PERMANENT], [CRASHED, FINISHED, KILLED])
    assert all(case in COMES_BACK or case in STAYS_AWAY for case in cases)


@pytest.mark.rule("S1")
@pytest.mark.parametrize(("policy", "ending"), COMES_BACK + STAYS_AWAY)
def test_who_was_told_to_end_ends_for_good_whatever_the_policy(
    policy: Policy, ending: Ending
) -> None:
    assert decision(policy, ending, Restarts(), told=True) == End()


@pytest.mark.rule("S2")
@pytest.mark.parametrize("kind", [Transient, Permanent])
def test_who_may_never_be_restarted_escalates_at_the_first_failure(
    kind: Callable[..., Restarted],
) -> None:
    policy = kind(restarts=0)
    assert decision(policy, CRASHED, Restarts(), told=False) == Escalate(policy)
    assert decision(policy, CRASHED, Restarts(), told=True) == End()


@pytest.mark.rule("S2")
def test_an_end_that_no_restart_follows_counts_for_nothing() -> None:
    restarts = Restarts()
    policy = Transient(restarts=1, backoff=AT_ONCE)
    assert decision(policy, FINISHED, restarts, told=False) == End()
    assert decision(policy, KILLED, restarts, told=False) == End()
    assert decision(policy, CRASHED, restarts, told=True) == End()
    assert decision(policy, CRASHED, restarts, told=False) == RestartAfter(0)


# The limit


def after_restarts(*times: float) -> Restarts:
    restarts = Restarts()
    for time in times:
        restarts.begun(time)
    return restarts


@pytest.mark.rule("S2")
@pytest.mark.parametrize(
    ("now", "begun", "comes_back"),
    [
        (10, [], True),
        (10, [10], True),
        (10, [10, 10], False),
        (11, [1.25, 10], False),
        (11, [1.25, 1.25], False),
        (11, [1, 10], True),
        (11, [1, 1.25], True),
        (11, [0, 1, 1, 10], True),
        (11, [0, 1, 1.25, 10], False),
    ],
)
def test_the_limit_counts_the_restarts_of_the_last_stretch(
    now: float, begun: list[float], comes_back: bool
) -> None:
    policy = Transient(restarts=2, seconds=10, backoff=AT_ONCE)
    follows = after_restarts(*begun).another(policy, now, source())
    assert follows == (RestartAfter(0) if comes_back else Escalate(policy))


@pytest.mark.rule("S2")
def test_a_restart_counts_until_exactly_a_stretch_has_passed() -> None:
    policy = Permanent(restarts=1, seconds=10, backoff=AT_ONCE)
    assert after_restarts(5).another(policy, 14.999, source()) == Escalate(policy)
    assert after_restarts(5).another(policy, 15, source()) == RestartAfter(0)


@pytest.mark.rule("S2")
def test_to_ask_for_a_restart_is_not_to_begin_one() -> None:
    policy = Transient(restarts=1, backoff=AT_ONCE)
    restarts = Restarts()
    assert restarts.another(policy, 0, source()) == RestartAfter(0)
    assert restarts.another(policy, 0, source()) == RestartAfter(0)
    restarts.begun(0)
    assert restarts.another(policy, 0, source()) == Escalate(policy)


QUARTERS = st.integers(0, 40).map(lambda quarters: quarters / 4)  # floats that add up exactly


@pytest.mark.rule("S2")
@given(
    failures=st.lists(st.tuples(QUARTERS, QUARTERS), max_size=40),
    limit=st.integers(0, 4),
    seconds=QUARTERS.filter(bool),
)
def test_no_stretch_has_more_restarts_than_allowed_and_none_is_refused_but_for_a_full_one(
    failures: list[tuple[float, float]], limit: int, seconds: float
) -> None:
    policy = Transient(restarts=limit, seconds=seconds, backoff=Backoff(first=0.25, jitter=0))
    restarts = Restarts()
    begun: list[float] = []
    now = 0.0
    for lives, delay in failures:
        now += lives
        follows = restarts.another(policy, now, source())
        last_stretch = [time for time in begun if now - seconds < time]
        if isinstance(follows, Escalate):
            assert len(last_stretch) == limit, "refused too early"
            break
        assert len(last_stretch) < limit, "refused too late"
        now += follows.seconds + delay
        begun.append(now)
        restarts.begun(now)
    for first in begun:
        assert sum(first <= time < first + seconds for time in begun) <= limit


# The wait


def waits(backoff: Backoff, count: int, random: Random) -> list[float]:
    return [backoff.wait(nth, random) for nth in range(1, count + 1)]


@pytest.mark.rule("S3")
def test_the_wait_grows_by_the_factor_and_no_further_than_the_most() -> None:
    backoff = Backoff(first=0.5, factor=3, most=10, jitter=0)
    assert waits(backoff, 5, source()) == [0.5, 1.5, 4.5, 10, 10]


@pytest.mark.rule("S3")
def test_a_factor_of_one_keeps_the_wait() -> None:
    assert waits(Backoff(first=2, factor=1, jitter=0), 3, source()) == [2, 2, 2]


@pytest.mark.rule("S3")
@pytest.mark.parametrize("nth", [1024, 1025, 10_000, 10**9])
def test_the_wait_has_no_number_that_is_too_large(nth: int) -> None:
    assert Backoff(jitter=0).wait(nth, source()) == 30
    assert Backoff(first=1e300, most=1e308, jitter=0).wait(nth, source()) == 1e308


@pytest.mark.rule("S3")
@pytest.mark.parametrize("nth", [1, 1024, 1025, 10_000])
def test_who_waits_for_nothing_at_first_never_waits(nth: int) -> None:
    assert Backoff(first=0).wait(nth, source()) == 0


@pytest.mark.rule("S3")
@given(nth=st.integers(1, 20), jitter=st.floats(0, 1), random=st.randoms(use_true_random=False))
def test_chance_makes_the_wait_shorter_by_no_more_than_the_jitter(
    nth: int, jitter: float, random: Random
) -> None:
    full = min(30, 0.1 * 2 ** (nth - 1))
    wait = Backoff(jitter=jitter).wait(nth, random)
    assert full * (1 - jitter) <= wait <= full


@pytest.mark.rule("S3")
def test_the_jitter_is_spread_over_all_of_its_share() -> None:
    random = source()
    spread = [Backoff(first=1, jitter=0.5).wait(1, random) for _ in range(1000)]
    assert min(spread) == pytest.approx(0.5, abs=0.01)
    assert max(spread) == pytest.approx(1, abs=0.01)
    assert sum(spread) / 1000 == pytest.approx(0.75, abs=0.02)


@pytest.mark.rule("S3")
def test_the_same_seed_makes_the_same_waits() -> None:
    first, again = [waits(Backoff(), 8, source(7)) for _ in range(2)]
    assert first == again
    assert first != waits(Backoff(), 8, source(8))


@pytest.mark.rule("S3")
def test_the_wait_grows_with_the_restarts_that_count_and_shrinks_with_those_that_do_not() -> None:
    policy = Transient(restarts=3, seconds=10, backoff=Backoff(first=1, jitter=0))
    assert after_restarts().another(policy, 0, source()) == RestartAfter(1)
    assert after_restarts(1, 3).another(policy, 4, source()) == RestartAfter(4)
    assert after_restarts(1, 3).another(policy, 11, source()) == RestartAfter(2)
    assert after_restarts(1, 3).another(policy, 13, source()) == RestartAfter(1)


# What no policy can be

NOT_A_NUMBER = float("nan")


@pytest.mark.rule("S2")
@pytest.mark.parametrize("kind", [Transient, Permanent])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"restarts": -1}, "restarts is -1; it must be at least 0"),
        ({"seconds": 0}, "seconds is 0; it must be more than 0"),
        ({"seconds": -2.5}, "seconds is -2.5; it must be more than 0"),
        ({"seconds": NOT_A_NUMBER}, "seconds is nan; it must be more than 0"),
    ],
)
def test_a_limit_that_makes_no_sense_is_turned_away_with_the_remedy(
    kind: Callable[..., Restarted], fields: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        kind(**fields)


@pytest.mark.rule("S3")
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"first": -0.1}, "first is -0.1; it must be at least 0"),
        ({"first": NOT_A_NUMBER}, "first is nan; it must be at least 0"),
        ({"factor": 0.99}, "factor is 0.99; it must be at least 1"),
        ({"first": 3, "most": 2}, "most is 2; it must be at least `first`"),
        ({"jitter": -0.1}, "jitter is -0.1; it must be between 0 and 1"),
        ({"jitter": 1.5}, "jitter is 1.5; it must be between 0 and 1"),
    ],
)
def test_a_backoff_that_makes_no_sense_is_turned_away_with_the_remedy(
    fields: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Backoff(**fields)


@pytest.mark.rule("S2", "S3")
def test_the_least_and_the_most_that_make_sense_are_taken() -> None:
    Backoff(first=0, factor=1, most=0, jitter=0)
    Backoff(first=5, most=5, jitter=1)
    Transient(restarts=0, seconds=0.001)
