"""Every row of docs/failures.md, played: with each API, streamed and whole, with a fallback and without.

The calls of one row are made at once, for most of their time they wait.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Literal, NamedTuple

import openai
from openai import OpenAI

from tests.sdk.channels.failures_page import rows
from tests.sdk.channels.vendors import VENDORS, Vendor, provider_of
from tests.sdk.conftest import Gateway
from tests.upstreams.cues import cue
from tests.upstreams.upstream import Upstream

ROWS = rows()

SECONDS = 2.0
"""The time limit of the calls that are to run into one."""
PATIENCE_S = 60.0
"""That of all others, which a busy machine does not reach."""
TIMES, FIRST_S, MOST_S = 2, 0.02, 0.04
"""How calls are made again here."""

DEAD = "takes no connection"
CLOSED = "closes the connection without an answer"
HOW = {
    "answers 400": "status-400",
    "answers 401": "status-401",
    "answers 402": "status-402",
    "answers 403": "status-403",
    "answers 404, no such model": "status-404",
    "answers 429": "status-429",
    "answers 429, `Retry-After` above `retry.mostSeconds`": "status-429+retry-after-7",
    "answers 500": "status-500",
    "answers 503": "status-503",
    "answers 529": "status-529",
    "sends a web page": "page",
    "sends an empty answer": "nothing",
    CLOSED: "close",
    "never answers": "hang",
    "falls silent": "silence",
    "closes the connection": "cut",
    "ends its answer too early": "eof",
    "sends what is not its protocol": "garbage",
    "sends a line of more than 8 MiB": "flood",
    "reports that it is overloaded": "overload",
    "answers 503 twice, then well": "flaky-2",
    "answers well, within its time limits": "head-0.3+pause-0.3",
}
"""What the upstream's models are called that do what the page's rows say."""
HEAVY = {"sends a line of more than 8 MiB"}
"""What is not played at once: it is work."""


class Case(NamedTuple):
    """A row, and whether it happens after the first word."""

    label: str
    late: bool

    def provider(self, vendor: Vendor) -> str:
        """Return the provider whose upstream and time limits it takes."""
        if self.label == DEAD:
            return f"dead-{vendor.id}"
        return vendor.id if ROWS[self.label].limit is None else f"hasty-{vendor.id}"

    def route(self, vendor: Vendor, name: str) -> str:
        """Return the model that does it; `name` makes it one's own."""
        how = "" if self.label == DEAD else f"+{HOW[self.label]}"
        late = "+late" if self.late else ""
        return f"{self.provider(vendor)}/{vendor.model}{how}{late}+call-{name}"


CASES = [Case(label, late=False) for label in ROWS] + [
    Case(label, late=True) for label, row in ROWS.items() if row.after is not None
]


class Outcome(NamedTuple):
    """What a client got for `cue("one two")`: an answer by `provider`, or an error after `text`.

    `attempts` is how often its first model was asked, `heard` how often the upstream was, and `next` what
    it said to the request after that.
    """

    text: str
    seconds: float
    provider: str | None
    error: openai.APIError | None
    attempts: int = 0
    heard: int = 0
    next: str = ""


class Key(NamedTuple):
    """Who is asked and how: for a whole answer, a stream, or a stream of an agent with a fallback."""

    vendor: Vendor
    way: Literal["whole", "stream", "fallback"]


ALONE = [Key(vendor, way) for vendor in VENDORS for way in ("whole", "stream")]
WITH_FALLBACK = [Key(vendor, "fallback") for vendor in VENDORS]
KEYS = [*ALONE, *WITH_FALLBACK]

Play = Callable[[Case], dict[Key, Outcome]]


def models_and_agents(alive: Upstream, dead: Upstream) -> tuple[dict[str, object], ...]:
    """Return the parts of a configuration in which every case can be played."""

    def within(seconds: float) -> dict[str, dict[str, float]]:
        return {
            "timeouts": {"connect": PATIENCE_S, "firstByte": seconds, "silence": seconds},
            "retry": {"times": TIMES, "firstSeconds": FIRST_S, "mostSeconds": MOST_S},
            "cooldown": {"failures": 0},
        }

    providers = {"steady": provider_of(VENDORS[0], alive)}
    for vendor in VENDORS:
        providers[vendor.id] = provider_of(vendor, alive, **within(PATIENCE_S))
        providers[f"hasty-{vendor.id}"] = provider_of(vendor, alive, **within(SECONDS))
        providers[f"dead-{vendor.id}"] = provider_of(vendor, dead, **within(PATIENCE_S))
    entries: dict[str, object] = {"main": {}}
    for case, key in product(CASES, WITH_FALLBACK):
        primary = case.route(key.vendor, _name(case, key))
        model = {"primary": primary, "fallbacks": ["steady/gpt-4o"]}
        entries[_name(case, key)] = {"model": model}
    return {"providers": providers}, {"entries": entries}


def play(
    gateway: Gateway, vendors: Upstream, client: OpenAI, pool: ThreadPoolExecutor, case: Case
) -> dict[Key, Outcome]:
    """Return what comes of a case, for every key."""

    def observe(key: Key) -> Outcome:
        route = case.route(key.vendor, _name(case, key))
        model = f"openclaw:{_name(case, key)}" if key.way == "fallback" else route
        stream = key.way != "whole"
        outcome = _ask(client, model, stream=stream)
        heard = attempts = len(vendors.asked(route.partition("/")[2]))
        if case.label in {DEAD, CLOSED}:
            attempts = _failed(gateway, route)
        following = _ask(client, f"{key.vendor.id}/{key.vendor.model}", stream=stream)
        return outcome._replace(attempts=attempts, heard=heard, next=following.text)

    outcomes = map(observe, KEYS) if case.label in HEAVY else pool.map(observe, KEYS)
    return dict(zip(KEYS, outcomes, strict=True))


def _name(case: Case, key: Key) -> str:
    return f"{key.vendor.id}{CASES.index(case)}{key.way}"


def _ask(client: OpenAI, model: str, *, stream: bool) -> Outcome:
    begun = time.monotonic()
    text = ""
    provider: str | None = None
    error: openai.APIError | None = None
    try:
        raw = client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": cue("one two")}], stream=stream
        )
        provider = raw.headers["x-greenroom-provider"]
        answer = raw.parse()
        if isinstance(answer, openai.Stream):
            with answer:
                for chunk in answer:
                    text += chunk.choices[0].delta.content or ""
        else:
            text = answer.choices[0].message.content or ""
    except openai.APIError as caught:
        error = caught
    return Outcome(text, time.monotonic() - begun, provider, error)


def _failed(gateway: Gateway, model: str) -> int:
    """Count the failed attempts that the log has of a model."""
    wanted = {"event": "run.attempt_failed", "model": model}
    return sum(wanted.items() <= line.items() for line in gateway.log)
