"""`/metrics`: what the gateway counts, in the Prometheus text format.

Requests are counted as they end; everything else is read off the house when somebody asks. Nothing is
kept in the library's global registry: two gateways in one process know nothing of each other.
"""

from collections.abc import Iterator

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from greenroom.actors.agent import AgentStatus
from greenroom.actors.health import Standing
from greenroom.actors.provider import ProviderStatus
from greenroom.runtime import Counts

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

_RESTING = {Standing.UP: 0.0, Standing.PROBED: 0.5, Standing.RESTING: 1.0}


class Snapshot(msgspec.Struct, frozen=True):
    """A house at one moment."""

    agents: tuple[AgentStatus, ...] = ()
    providers: tuple[ProviderStatus, ...] = ()
    actors: Counts | None = None


class Metrics(Collector):
    """The metrics of one gateway."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "greenroom_http_requests",
            "Requests that have ended, by status; 0 where the client left before one.",
            ["status"],
            registry=self._registry,
        )
        self._by_status: dict[int, Counter] = {}
        self._first_event = Histogram(
            "greenroom_first_event_seconds",
            "Time from a turn's submission to its model's first word.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._snapshot = Snapshot()
        self._registry.register(self)

    def count(self, status: int, first_event_s: float | None) -> None:
        """Count a request that has ended, and its wait in seconds if its model said something."""
        counter = self._by_status.get(status)
        if counter is None:  # the library's own look-up takes a lock and a tuple
            counter = self._by_status[status] = self._requests.labels(status)
        counter.inc()
        if first_event_s is not None:
            self._first_event.observe(first_event_s)

    def render(self, snapshot: Snapshot) -> bytes:
        """Return the text; a matter of some hundred microseconds, so it is not for a hot path."""
        self._snapshot = snapshot
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        """Name nothing in advance, so that registering needs no snapshot."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield from _agents(self._snapshot.agents)
        yield from _providers(self._snapshot.providers)
        if self._snapshot.actors is not None:
            events = CounterMetricFamily(
                "greenroom_actor_events", "What happened to actors, by event.", labels=["event"]
            )
            for name in Counts.__struct_fields__:
                events.add_metric([name], getattr(self._snapshot.actors, name))
            yield events


def _agents(agents: tuple[AgentStatus, ...]) -> Iterator[Metric]:
    live = GaugeMetricFamily("greenroom_sessions_live", "Sessions in memory.", labels=["agent"])
    for agent in agents:
        live.add_metric([agent.id], agent.live_sessions)
    yield live


def _providers(providers: tuple[ProviderStatus, ...]) -> Iterator[Metric]:
    by_provider = ["provider"]
    active = GaugeMetricFamily(
        "greenroom_provider_calls_active", "Model calls under way.", labels=by_provider
    )
    waiting = GaugeMetricFamily(
        "greenroom_provider_calls_waiting", "Model calls that wait for room.", labels=by_provider
    )
    resting = GaugeMetricFamily(
        "greenroom_provider_resting",
        "1 for what is left alone after failures, 0.5 while it is probed; no model: all of it.",
        labels=[*by_provider, "model"],
    )
    calls = CounterMetricFamily(
        "greenroom_provider_calls",
        "Model calls by outcome: answered, a kind of failure, or refused while it rests.",
        labels=[*by_provider, "outcome"],
    )
    rests = CounterMetricFamily(
        "greenroom_provider_rests", "How often something began to rest.", labels=by_provider
    )
    tokens = CounterMetricFamily(
        "greenroom_provider_tokens", "Tokens, by kind.", labels=[*by_provider, "kind"]
    )
    cost = CounterMetricFamily(
        "greenroom_provider_cost", "Money, by the configuration's prices.", labels=by_provider
    )
    for provider in providers:
        id_ = provider.id
        active.add_metric([id_], provider.active)
        waiting.add_metric([id_], provider.waiting)
        for model, standing in ({"": Standing.UP} | provider.standings).items():
            resting.add_metric([id_, model], _RESTING[standing])
        outcomes = {"answered": provider.answered, "refused": provider.refused}
        for outcome, count in (outcomes | provider.failures).items():
            calls.add_metric([id_, outcome], count)
        rests.add_metric([id_], provider.rests)
        tokens.add_metric([id_, "prompt"], provider.prompt_tokens)
        tokens.add_metric([id_, "completion"], provider.completion_tokens)
        cost.add_metric([id_], provider.cost)
    yield from (active, waiting, resting, calls, rests, tokens, cost)
