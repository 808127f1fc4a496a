"""Rules of what every contender is measured with."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.kernel.timing import chosen, grown, latency, percentile, shared_out, throughput

spans = st.lists(st.integers(0, 10**9), min_size=1, max_size=300)


def test_a_percentile_is_the_nearest_rank() -> None:
    hundred = list(range(100, 0, -1))
    assert percentile(hundred, 50) == 50
    assert percentile(hundred, 99) == 99
    assert percentile(hundred, 99.5) == 100
    assert percentile(hundred, 100) == 100
    assert percentile([3, 1, 2], 50) == 2
    assert percentile([7], 1) == 7


@given(spans, st.integers(1, 100))
def test_a_percentile_is_the_least_span_that_so_many_do_not_exceed(
    taken: list[int], percent: int
) -> None:
    found = percentile(taken, percent)

    def share(limit: float) -> Fraction:
        return Fraction(sum(span <= limit for span in taken) * 100, len(taken))

    assert found in taken
    assert share(found) >= percent
    assert all(share(span) < percent for span in taken if span < found)


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_a_percentile_lies_within_its_hundred(percent: float) -> None:
    with pytest.raises(ValueError, match="lies in"):
        percentile([1, 2], percent)


def test_of_nothing_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="no spans"):
        percentile([], 50)


def test_a_latency_is_in_microseconds() -> None:
    assert latency([1500] * 99 + [9_000_000]) == {"p50": 1.5, "p99": 1.5}
    assert latency([1500] * 98 + [9_000_000] * 2) == {"p50": 1.5, "p99": 9000}


def test_a_throughput_is_a_second() -> None:
    assert throughput(500, 250_000_000) == {"rate": 2000}


def test_growth_is_each_ones_share_and_unknown_where_nothing_tells_it() -> None:
    assert grown(1000, 5000, 4) == {"bytes": 1000}
    assert grown(5000, 4000, 2) == {"bytes": -500}
    assert grown(None, None, 4) == {}


@given(st.integers(1, 10_000), st.integers(1, 200))
def test_askers_share_all_asks_evenly(whole: int, among: int) -> None:
    parts = shared_out(whole, among)
    assert sum(parts) == whole
    assert len(parts) == min(whole, among)
    assert min(parts) >= 1
    assert max(parts) - min(parts) <= 1


def test_the_choice_of_whom_to_ask_is_the_same_every_time() -> None:
    assert chosen(range(1000), 50) == chosen(range(1000), 50)
    assert len(set(chosen(range(1000), 50))) > 25
