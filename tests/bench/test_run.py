"""Rules of the run: every contender in every round, one process a sample, no failure unseen."""

import re
import tomllib
from pathlib import Path

import pytest

from bench.kernel.plan import (
    ENTRIES,
    FULL,
    MEASURES,
    PEERS,
    QUICK,
    Entry,
    Failure,
    Sizes,
    rounds_of,
)
from bench.kernel.run import take, turns

ROOT = Path(__file__).resolve().parents[2]


def test_contenders_take_turns_at_each_measure_and_another_is_first_each_round() -> None:
    names = [entry.name for entry in ENTRIES]
    for number in range(7):
        taken = [turn for turn in turns(ENTRIES, 7) if turn.round == number]
        order = [turn.entry.name for turn in taken if turn.measure == "ask"]
        first = number % len(names)
        assert order == [*names[first:], *names[:first]]


@pytest.mark.parametrize(("rounds", "long"), [(1, 1), (5, 1), (6, 2), (11, 3)])
def test_the_long_measures_are_taken_in_every_fifth_round(rounds: int, long: int) -> None:
    assert [rounds_of(measure, rounds) for measure in MEASURES] == [*[rounds] * 5, long, long]
    taken = [turn for turn in turns(ENTRIES, rounds) if turn.measure == "parked"]
    assert len(taken) == long * len(ENTRIES)


def test_no_contender_is_asked_for_what_it_does_not_do() -> None:
    assert all(turn.measure in turn.entry.measures for turn in turns(ENTRIES, 3))
    assert {turn.entry.name for turn in turns(ENTRIES, 1) if turn.measure == "keyed"} == {
        "floor",
        "greenroom",
    }


@pytest.mark.parametrize("whole", [FULL, QUICK], ids=["full", "quick"])
def test_greenroom_and_its_floors_do_the_same(whole: Sizes) -> None:
    assert all(entry.sizes(whole) == whole for entry in ENTRIES if entry.name not in PEERS)


def test_a_slow_peer_does_less_and_never_nothing() -> None:
    slow = Entry("slow", "slow", "slow", MEASURES, share=0.0001, most_parked=7)
    sizes = slow.sizes(QUICK)
    assert (sizes.tells, sizes.asks, sizes.events, sizes.parked_asks) == (1, 1, 1, 1)
    assert sizes.parked == 7
    assert sizes.paced == QUICK.paced


def test_a_contender_that_cannot_be_measured_is_a_failure_and_not_an_error() -> None:
    nobody = Entry("nobody", "nobody", "nobody", MEASURES)
    failure = take(nobody, "tell", nobody.sizes(QUICK))
    assert isinstance(failure, Failure)
    assert (failure.contender, failure.measure) == ("nobody", "tell")
    assert "nobody" in failure.reason


def test_make_installs_the_peers_that_the_group_names() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        group = tomllib.load(file)["dependency-groups"]["bench"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    installed = re.search(r"\(BENCH_VENV\)/bin/pip install (.*)$", makefile, re.MULTILINE)
    assert installed is not None
    assert sorted(re.findall(r'"([^"]+)"', installed[1])) == sorted(group)
    assert {re.split(r"[<>=]", name)[0] for name in group} == set(PEERS)
