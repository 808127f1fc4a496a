"""What `/metrics` says is what happened: requests, turns, providers, actors; for callers alone."""

import re

from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import MockClock

from greenroom.actors.settings import Cost, ModelSettings
from tests.conftest import PlayedChannel, words
from tests.http.conftest import PATH, Site, chat, house_settings


def samples(text: str) -> dict[str, float]:
    """Every sample by its name and labels, as the text writes them."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


async def scrape(site: Site) -> dict[str, float]:
    answer = await site.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"
    return samples(answer.body.decode())


async def test_metrics_are_for_callers_with_the_secret() -> None:
    async with Site() as site:
        assert (await site.get("/metrics", token=None)).status == 401


async def test_requests_are_counted_by_status_and_first_words_are_timed() -> None:
    async with Site() as site:
        for _ in range(3):
            await site.post(chat("[say a]"))
        await site.post(chat("[fail upstream_overloaded]"))
        await site.post(b"no JSON")
        found = await scrape(site)
    assert found["greenroom_http_requests_total{status=200}"] == 3
    assert found["greenroom_http_requests_total{status=503}"] == 1
    assert found["greenroom_http_requests_total{status=400}"] == 1
    assert found["greenroom_first_event_seconds_count{}"] == 3


async def test_a_providers_calls_are_counted_by_outcome() -> None:
    async with Site() as site:
        await site.post(chat("[say a b c]"))
        await site.post(chat("[fail upstream_overloaded]"))
        found = await scrape(site)
    assert found["greenroom_provider_calls_total{outcome=answered,provider=scripted}"] == 1
    name = "greenroom_provider_calls_total{outcome=upstream_overloaded,provider=scripted}"
    assert found[name] == 1
    assert found["greenroom_provider_calls_active{provider=scripted}"] == 0
    assert found["greenroom_provider_resting{model=,provider=spare}"] == 0
    tokens = found["greenroom_provider_tokens_total{kind=completion,provider=scripted}"]
    assert tokens > 0


async def test_sessions_and_actors_are_counted() -> None:
    async with Site(PlayedChannel(words("Yes."))) as site:
        await site.post(chat(), headers={"x-openclaw-session-key": "k"})
        found = await scrape(site)
    assert found["greenroom_sessions_live{agent=main}"] == 1
    assert found["greenroom_sessions_live{agent=beta}"] == 0
    assert found["greenroom_actor_events_total{event=crashed}"] == 0
    assert found["greenroom_actor_events_total{event=started}"] >= 5


async def test_two_gateways_in_one_process_count_by_themselves() -> None:
    async with Site() as one, Site() as other:
        await one.post(chat())
        found = await scrape(other)
    assert not [name for name in found if re.match(r"greenroom_http_requests_total\{", name)]


async def test_who_answers_stands_in_the_headers_once_it_is_known(
    autojump_clock: MockClock,
) -> None:
    async with Site() as site:
        whole = await site.post(chat())
        stream = await site.post(chat(stream=True))
        silent = await site.post(chat("[wait 11]", stream=True), path=PATH)
    for answer in (whole, stream):
        assert answer.headers["x-greenroom-provider"] == "scripted"
        assert answer.headers["x-greenroom-model"] == "scripted/demo"
        assert answer.headers["x-greenroom-attempt"] == "1"
        assert "x-greenroom-cost" not in answer.headers
    assert "x-greenroom-model" not in silent.headers


async def test_a_whole_answer_tells_its_cost_where_its_model_has_a_price() -> None:
    settings = house_settings()
    scripted, *others = settings.providers
    priced = replace(scripted, models=(ModelSettings("demo", cost=Cost(input=2e6, output=1e6)),))
    settings = replace(settings, providers=(priced, *others))
    async with Site(settings=settings) as site:
        answer = await site.post(chat("[say a b c]"))
        usage = answer.json()["usage"]
        found = await scrape(site)
    cost = 2 * usage["prompt_tokens"] + usage["completion_tokens"]
    assert float(answer.headers["x-greenroom-cost"]) == cost
    assert site.lines.requests()[0]["cost"] == cost
    assert found["greenroom_provider_cost_total{provider=scripted}"] == cost
