"""Rules of an answer's headers: what it took, and what its upstream or a bound of ours has left."""

from collections.abc import Iterable

import pytest
import trio

from greenroom.actors.channels.channel import (
    Deltas,
    Finish,
    FinishReason,
    Notes,
    TextDelta,
    Usage,
)
from greenroom.actors.entries import Prompt
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.settings import SessionLimits
from tests.conftest import Played, PlayedChannel, Step
from tests.http.conftest import Answer, Site, chat, house_settings

IN_VIRTUAL_TIME = True

KEY = {"x-openclaw-session-key": "k"}
LIMITS = {"limit-requests": "50", "remaining-tokens": "7", "reset-tokens": "6m0s"}
END: Deltas = (Finish(FinishReason.STOP), Usage(1, 1))


class Noted(PlayedChannel):
    """A channel whose answers come with notes."""

    def __init__(self, notes: Notes, *plays: Iterable[Step]) -> None:
        super().__init__(*plays)
        self._notes = notes

    def open(self, prompt: Prompt) -> Played:
        played = super().open(prompt)
        played.notes = self._notes
        return played


def overhead(answer: Answer) -> float:
    return float(answer.headers["x-greenroom-overhead-ms"])


@pytest.mark.parametrize("stream", [False, True])
async def test_the_upstreams_rate_limits_are_told_under_openais_names(stream: bool) -> None:
    async with Site(Noted(Notes(limits=LIMITS))) as site:
        answer = await site.post(chat(stream=stream))
    told = {name: value for name, value in answer.headers.items() if "ratelimit" in name}
    assert told == {f"x-ratelimit-{name}": value for name, value in LIMITS.items()}


async def test_a_failure_tells_the_limits_that_were_reached() -> None:
    failed = TurnFailed.of(
        FailureKind.UPSTREAM_RATE_LIMITED, "Slow down.", retry_after=90.0, limits=LIMITS
    )
    async with Site(PlayedChannel([failed])) as site:
        answer = await site.post(chat())
    assert answer.status == 429
    assert answer.headers["x-ratelimit-reset-tokens"] == "6m0s"
    assert answer.headers["retry-after"] == "90"
    assert answer.headers["retry-after-ms"] == "90000"


async def test_a_bound_of_ours_is_told_in_the_same_words(nursery: trio.Nursery) -> None:
    async with Site(settings=house_settings(SessionLimits(waiting_turns=1))) as site:
        for _ in range(2):
            nursery.start_soon(site.call(chat("[wait 5]"), headers=KEY).run)
            await trio.testing.wait_all_tasks_blocked()
        answer = await site.post(chat(), headers=KEY)
    assert answer.status == 429
    assert {name: value for name, value in answer.headers.items() if "ratelimit" in name} == {
        "x-ratelimit-limit-requests": "1",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
    }


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/v1/nothing"])
async def test_every_answer_of_the_api_has_its_version_and_how_long_it_took(path: str) -> None:
    async with Site() as site:
        answer = await site.get(path)
    assert answer.headers["openai-version"] == "2020-10-01"
    assert int(answer.headers["openai-processing-ms"]) >= 0


async def test_a_probe_has_neither() -> None:
    async with Site() as site:
        assert "openai-version" not in (await site.get("/health")).headers


async def test_a_models_time_is_not_the_gateways() -> None:
    async with Site(PlayedChannel([2.0, (TextDelta("Yes."),), 3.0, END])) as site:
        whole = await site.post(chat())
        streamed = await site.post(chat(stream=True))
    assert whole.headers["openai-processing-ms"] == "5000"
    assert streamed.headers["openai-processing-ms"] == "2000"
    assert overhead(whole) == overhead(streamed) == 0


async def test_waiting_for_the_turn_before_is(nursery: trio.Nursery) -> None:
    async with Site(PlayedChannel([5.0, (TextDelta("Yes."),), END])) as site:
        nursery.start_soon(site.call(chat(), headers=KEY).run)
        await trio.testing.wait_all_tasks_blocked()
        assert overhead(await site.post(chat("And?"), headers=KEY)) == 5000


async def test_an_answer_that_is_told_again_asks_no_model() -> None:
    async with Site(PlayedChannel([5.0, (TextDelta("Yes."),), END])) as site:
        key = {"idempotency-key": "k"}
        first = await site.post(chat(), headers=key)
        again = await site.post(chat(), headers=key)
    assert again.headers["x-greenroom-replayed"] == "true"
    assert (overhead(first), overhead(again)) == (0, 0)
    assert again.headers["openai-processing-ms"] == "0"


async def test_who_joins_a_turn_has_only_what_comes_after_it(nursery: trio.Nursery) -> None:
    key = {"idempotency-key": "k"}
    async with Site(PlayedChannel([5.0, (TextDelta("Yes."),), END])) as site:
        nursery.start_soon(site.call(chat(), headers=key).run)
        await trio.sleep(1)
        joined = await site.post(chat(), headers=key)
    assert joined.headers["openai-processing-ms"] == "4000"
    assert overhead(joined) == 0
