"""What an upstream does wrong is told as docs/failures.md says, in its time, after so many calls."""

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import product

import msgspec
import openai
import pytest

from greenroom.actors.settings import Cooldown, HouseSettings, Retry, TimeLimits
from greenroom.http.config import HttpLimits
from tests.sdk.channels.failures_page import OWN_CODE, defaults, manners
from tests.sdk.channels.faults import (
    ALONE,
    CASES,
    CLOSED,
    DEAD,
    FIRST_S,
    HOW,
    KEYS,
    MOST_S,
    PATIENCE_S,
    ROWS,
    SECONDS,
    TIMES,
    WITH_FALLBACK,
    Case,
    Key,
    Play,
    models_and_agents,
    play,
)
from tests.sdk.conftest import Gateway, StartConfigured, client_of
from tests.upstreams.api import KEY
from tests.upstreams.upstream import Upstream

MANNERS = manners()

OWN_CODES = {"openai": "invalid_value", "anthropic": None, "ollama": None}
"""The code of the upstream's own 400."""


@pytest.fixture(scope="module")
def gateway(start_configured: StartConfigured, vendors: Upstream) -> Iterator[Gateway]:
    dead = Upstream()  # never started
    yield start_configured(*models_and_agents(vendors, dead))
    dead.close()


@pytest.fixture(scope="module")
def played(gateway: Gateway, vendors: Upstream) -> Iterator[Play]:
    """Play a case, unless that is done."""
    with client_of(gateway) as client, ThreadPoolExecutor(len(KEYS)) as pool:
        yield cache(partial(play, gateway, vendors, client, pool))


def id_of(case: Case, key: Key) -> str:
    words = re.findall(r"\w+", case.label) + ["late"] * case.late
    return "-".join([*words, key.vendor.id, key.way])


def with_each(keys: Iterable[Key]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("case", "key"),
        [pytest.param(*each, id=id_of(*each)) for each in product(CASES, keys)],
    )


def test_every_row_of_the_page_is_played() -> None:
    assert ROWS.keys() == HOW.keys() | {DEAD}
    told = {row.before for row in ROWS.values() if row.before is not None}
    assert told == MANNERS.keys()
    assert len({telling.code for telling in MANNERS}) == len(MANNERS)


def test_the_page_knows_the_defaults() -> None:
    retry, cooldown, limits = Retry(), Cooldown(), TimeLimits()
    waits = sum(retry.first * 2**nth for nth in range(retry.times))
    seconds = {None: 0.0, "firstByte": limits.first_byte, "silence": limits.silence}
    for row in ROWS.values():
        assert row.waits in {0.0, waits}
        assert row.seconds == seconds[row.limit]
    assert defaults() == {
        "http.limits.firstEventSeconds": HttpLimits().first_event,
        "retry.times": retry.times,
        "models.patienceSeconds": HouseSettings((), "", ()).patience,
        "cooldown.failures": cooldown.failures,
        "cooldown.seconds": cooldown.seconds,
        "cooldown.mostSeconds": cooldown.most,
    }


@with_each(ALONE)
def test_a_fault_is_told_as_the_page_says(played: Play, case: Case, key: Key) -> None:
    row = ROWS[case.label]
    outcome = played(case)[key]
    error = outcome.error
    if row.before is None:
        assert error is None
        assert (outcome.text, outcome.provider) == ("one two", case.provider(key.vendor))
        return
    assert error is not None, "the answer was whole"
    telling = row.before
    if case.late:
        telling = next(known for known in MANNERS if known.code == row.after)
    manner = MANNERS[telling]
    body = msgspec.convert(error.body, dict[str, str | None])
    assert list(body) == ["message", "type", "param", "code"]
    assert error.type == manner.type
    assert error.code == (OWN_CODES[key.vendor.id] if telling.code == OWN_CODE else telling.code)
    message = body["message"]
    assert message is not None
    assert message.startswith(manner.start)
    assert KEY not in message
    if case.late and key.way != "whole":
        assert not isinstance(error, openai.APIStatusError | openai.APIConnectionError)
        assert outcome.text == "one"
    else:
        assert isinstance(error, openai.APIStatusError)
        assert error.status_code == telling.status
        assert tries_again(error) == manner.sdk_tries_again
        waits = [error.response.headers.get(name) for name in ("retry-after", "retry-after-ms")]
        assert waits == (["7", "7000"] if "Retry-After" in case.label else [None, None])


@with_each(ALONE)
def test_a_fault_is_told_in_time(played: Play, case: Case, key: Key) -> None:
    row = ROWS[case.label]
    least = SECONDS if row.limit is not None else 0.0
    if row.waits and not case.late:
        least = 0.75 * (FIRST_S + MOST_S)
    if not row.at_leisure:
        assert least <= played(case)[key].seconds < PATIENCE_S


@with_each(ALONE)
def test_a_model_is_asked_again_as_the_page_says(played: Play, case: Case, key: Key) -> None:
    """After the first word it is not."""
    assert played(case)[key].attempts == attempts_of(case)


@with_each(KEYS)
def test_each_attempt_reaches_the_upstream_once(played: Play, case: Case, key: Key) -> None:
    """But for one on a kept connection that turns out to be closed, which is made again at once."""
    outcome = played(case)[key]
    if case.label == CLOSED:
        assert outcome.attempts <= outcome.heard <= 2 * outcome.attempts
    else:
        assert outcome.heard == (0 if case.label == DEAD else outcome.attempts)


@with_each(WITH_FALLBACK)
def test_another_model_is_asked_as_the_page_says(played: Play, case: Case, key: Key) -> None:
    """After the first word none is."""
    row = ROWS[case.label]
    outcome = played(case)[key]
    assert outcome.attempts == attempts_of(case)
    if row.fallback and not case.late:
        assert outcome.error is None
        assert (outcome.text, outcome.provider) == ("one two", "steady")
    elif row.before is None:
        assert outcome.provider == case.provider(key.vendor)
    else:
        assert outcome.error is not None
        assert outcome.provider == (case.provider(key.vendor) if case.late else None)


@with_each(KEYS)
def test_the_next_request_is_answered(played: Play, case: Case, key: Key) -> None:
    assert played(case)[key].next == "one two"


def attempts_of(case: Case) -> int:
    """How often the first model is asked."""
    return 1 + TIMES if ROWS[case.label].again and not case.late else 1


def tries_again(error: openai.APIStatusError) -> bool:
    """Whether an SDK would send the request again."""
    told = error.response.headers.get("x-should-retry")
    assert told in {None, "false"}
    return told is None and (error.status_code in {408, 409, 429} or error.status_code >= 500)
