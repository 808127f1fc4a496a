"""A dead provider costs no request: its fallback answers, and when it comes to life it is found out."""

from collections.abc import Iterator

import httpx2
import openai
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from tests.processes import until
from tests.sdk.channels.failures_page import names_in
from tests.sdk.channels.vendors import VENDORS, provider_of
from tests.sdk.conftest import Gateway, StartConfigured, async_client_of, client_of
from tests.upstreams.cues import echo
from tests.upstreams.upstream import Upstream

pytestmark = pytest.mark.filterwarnings(
    # The SDK leaves generators to the loop's finalizer, of which trio alone tells.
    r"ignore:Async generator '(openai|httpx2|httpcore2)\.:ResourceWarning"
)

REQUESTS = 1_000
AT_ONCE = 50
TWO_MINUTES = 120

HEAD_S = 0.3
"""The longest wait for a first word before a stream's head goes out."""
COOLDOWN = {"failures": 5, "seconds": 0.2, "mostSeconds": 0.5}

Labels = tuple[tuple[str, str], ...]


@pytest.fixture(scope="module")
def dead() -> Iterator[Upstream]:
    """An upstream that has its port and takes no connection, until it is started."""
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def gateway(
    start_configured: StartConfigured, vendors: Upstream, dead: Upstream
) -> Iterator[Gateway]:
    first, second, _ = VENDORS
    hasty = {"retry": {"times": 1, "firstSeconds": 0.01}, "cooldown": COOLDOWN}
    strict = {"retry": {"times": 0}, "cooldown": {"failures": 2, "seconds": 60}}
    providers = {
        "first": provider_of(first, dead, **hasty),
        "second": provider_of(second, vendors),
        "limited": provider_of(first, vendors, **strict),
        "locked": provider_of(first, vendors, **strict),
        "slow": provider_of(first, vendors, timeouts={"firstByte": 3 * HEAD_S}),
    }
    spare = [f"second/{second.model}"]
    entries = {
        "main": {"model": {"primary": f"first/{first.model}", "fallbacks": spare}},
        "patient": {"model": {"primary": "slow/gpt-4o+hang", "fallbacks": spare}},
    }
    own = start_configured(
        {"providers": providers}, {"entries": entries}, limits={"firstEventSeconds": HEAD_S}
    )
    yield own
    own.end(expected={"provider.resting"})


def metrics(gateway: Gateway) -> dict[str, dict[Labels, float]]:
    """Return what `/metrics` says, by name and sorted labels."""
    head = {"authorization": f"Bearer {gateway.key}"}
    address = f"{gateway.url.removesuffix('/v1')}/metrics"
    text = httpx2.get(address, headers=head, trust_env=False).raise_for_status().text
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def of_provider(name: str, **more: str) -> Labels:
    return tuple(sorted({"provider": name, **more}.items()))


def events(gateway: Gateway) -> set[str]:
    return {line["event"] for line in gateway.log}


async def ask_often(gateway: Gateway) -> None:
    """Make requests, every tenth for a stream; each has to be answered whole."""
    async with async_client_of(gateway) as client:
        numbers = iter(range(REQUESTS))

        async def customer() -> None:
            for number in numbers:
                text = f"request {number}"
                if number % 10 == 0:
                    stream = await client.chat.completions.create(
                        model="openclaw", messages=[{"role": "user", "content": text}], stream=True
                    )
                    said = [chunk.choices[0].delta.content or "" async for chunk in stream]
                    assert "".join(said) == echo(text)
                else:
                    answer = await client.chat.completions.create(
                        model="openclaw", messages=[{"role": "user", "content": text}]
                    )
                    assert answer.choices[0].message.content == echo(text)

        with trio.fail_after(TWO_MINUTES):
            async with trio.open_nursery() as nursery:
                for _ in range(AT_ONCE):
                    nursery.start_soon(customer)


async def test_a_dead_provider_costs_no_request_and_is_found_when_it_lives(
    gateway: Gateway, dead: Upstream
) -> None:
    await ask_often(gateway)
    assert len(gateway.requests(status=200, path="/v1/chat/completions")) == REQUESTS

    assert "provider.resting" in events(gateway)
    assert "provider.recovered" not in events(gateway)
    seen = metrics(gateway)
    assert seen["greenroom_provider_resting"][of_provider("first", model="")] in {0.5, 1.0}
    calls = seen["greenroom_provider_calls_total"]
    assert calls[of_provider("second", outcome="answered")] == REQUESTS
    assert calls[of_provider("first", outcome="answered")] == 0
    # Nearly all were spared the attempt.
    assert calls[of_provider("first", outcome="refused")] > 0.5 * REQUESTS

    dead.start()
    with client_of(gateway) as client:

        def ask() -> str:
            raw = client.chat.completions.with_raw_response.create(
                model="openclaw", messages=[{"role": "user", "content": "hello"}]
            )
            assert raw.parse().choices[0].message.content == echo("hello")
            return raw.headers["x-greenroom-provider"]

        until(lambda: True if ask() == "first" else None, "an answer of the first provider")
        until(lambda: True if "provider.recovered" in events(gateway) else None, "its recovery")
        assert ask() == "first"
    seen = metrics(gateway)
    assert seen["greenroom_provider_resting"][of_provider("first", model="")] == 0
    assert seen["greenroom_provider_rests_total"][of_provider("first")] >= 1
    assert seen["greenroom_provider_calls_total"][of_provider("first", outcome="answered")] >= 2

    assert set(names_in("In the log")) <= events(gateway)
    for name in names_in("In `/metrics`"):
        assert any(sample.startswith(name) for sample in seen), name


@pytest.mark.parametrize(
    ("provider", "how", "status", "code", "all_of_it"),
    [
        ("limited", "status-429", 429, "upstream_resting", False),
        ("locked", "status-401", 502, "upstream_auth_error", True),
    ],
)
def test_what_rests_is_not_asked_and_says_for_how_long(
    gateway: Gateway,
    vendors: Upstream,
    provider: str,
    how: str,
    status: int,
    code: str,
    *,
    all_of_it: bool,
) -> None:
    """A model that is asked too much rests by itself; a refused key is the whole provider's."""
    model = f"gpt-4o+{how}+call-{provider}"
    with client_of(gateway) as client:

        def ask(name: str) -> openai.APIStatusError | None:
            try:
                client.chat.completions.create(
                    model=f"{provider}/{name}", messages=[{"role": "user", "content": "hello"}]
                )
            except openai.APIStatusError as error:
                return error
            return None

        for _ in range(2):
            failed = ask(model)
            assert failed is not None
            assert failed.code != "upstream_resting"
            assert "retry-after" not in failed.response.headers
        refused = ask(model)
        neighbour = ask("gpt-4o")
    assert refused is not None
    assert (refused.status_code, refused.code) == (status, code)
    assert 40 < float(refused.response.headers["retry-after"]) <= 60
    assert len(vendors.asked(model)) == 2
    assert (neighbour is not None) == all_of_it


def test_a_failure_after_the_head_is_an_event(gateway: Gateway) -> None:
    with client_of(gateway) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="slow/gpt-4o+hang+call-late",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
        )
        assert raw.status_code == 200
        assert "x-greenroom-provider" not in raw.headers
        with raw.parse() as stream, pytest.raises(openai.APIError) as caught:
            list(stream)
    assert not isinstance(caught.value, openai.APIStatusError | openai.APIConnectionError)
    assert caught.value.code == "upstream_timeout"


def test_a_fallback_may_begin_after_the_head(gateway: Gateway, fresh: str) -> None:
    with client_of(gateway) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="openclaw:patient",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            extra_headers={"x-request-id": fresh},
        )
        assert "x-greenroom-provider" not in raw.headers
        with raw.parse() as stream:
            said = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert "".join(said) == echo("hello")
    line = gateway.ended_request(request_id=fresh)
    assert (line["model"], line["attempt"]) == (f"second/{VENDORS[1].model}", 2)
