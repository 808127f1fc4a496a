"""SIGHUP with another configuration: no call is lost, and the next one has what is new."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event

import openai
import pytest
from openai import OpenAI

from tests.processes import until
from tests.sdk.channels.vendors import VENDORS, provider_of
from tests.sdk.conftest import Gateway, StartConfigured, client_of, tell
from tests.upstreams.cues import cue, echo
from tests.upstreams.upstream import Upstream

CLIENTS = 8
RELOADS = 5
BETWEEN = 24
"""Calls that are made between two reloads, at least."""


class Side:
    """A configuration: an upstream, and an agent that says which it is."""

    def __init__(self, name: str, upstream: Upstream) -> None:
        self.upstream = upstream
        self.models = {"providers": {"openai": provider_of(VENDORS[0], upstream)}}
        self.agents = {
            "entries": {
                "main": {"model": f"openai/{name}+hold-1", "instructions": f"Be {name}."},
                name: {"model": f"openai/{name}"},
            }
        }

    def systems(self) -> set[str]:
        """What it was told first."""
        return {record.heard.system for record in self.upstream.records if record.heard is not None}


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[Side, Side]]:
    with ExitStack() as stack:
        old, new = (stack.enter_context(Upstream()) for _ in range(2))
        yield Side("old", old), Side("new", new)


@pytest.fixture
def gateway(start_configured: StartConfigured, sides: tuple[Side, Side]) -> Iterator[Gateway]:
    started = start_configured(sides[0].models, sides[0].agents)
    yield started
    started.end()


def names(client: OpenAI) -> set[str]:
    return {model.id for model in client.models.list()}


def test_a_stream_ends_whole_and_the_next_call_has_what_is_new(
    gateway: Gateway, sides: tuple[Side, Side]
) -> None:
    old, new = sides
    with client_of(gateway) as client:
        assert "openclaw/old" in names(client)
        stream = client.chat.completions.create(
            model="openclaw:main",
            messages=[{"role": "user", "content": cue("one two three")}],
            stream=True,
            user="k",
        )
        said = [chunk.choices[0].delta.content or "" for chunk in [next(stream), next(stream)]]
        gateway.reload(new.models, new.agents)
        old.upstream.let_go("old+hold-1")
        said += [c.delta.content or "" for chunk in stream for c in chunk.choices]
        assert "".join(said) == "one two three"
        new.upstream.let_go("new+hold-1")
        assert tell(client, "And now?", user="k") == echo("And now?", 2)
        assert [record.end for record in old.upstream.records] == ["whole"]
        assert (old.systems(), new.systems()) == ({"Be old."}, {"Be new."})
        assert new.upstream.last.model == "new+hold-1"
        assert "openclaw/new" in names(client)
        assert "openclaw/old" not in names(client)
        with pytest.raises(openai.APIStatusError) as caught:
            tell(client, "Are you there?", model="openclaw:old")
        assert caught.value.code == "agent_not_found"


def test_no_call_fails_while_one_configuration_follows_the_other(
    gateway: Gateway, sides: tuple[Side, Side]
) -> None:
    for side, name in zip(sides, ("old", "new"), strict=True):
        side.upstream.let_go(f"{name}+hold-1")
    before = gateway.descriptors()
    stop, answers = Event(), list[str]()

    def talk(number: int) -> None:
        with client_of(gateway) as client:
            while not stop.is_set():
                text = f"I am {number}"
                if number % 2:
                    answers.append(tell(client, text))
                    continue
                stream = client.chat.completions.create(
                    model="openclaw:main",
                    messages=[{"role": "user", "content": text}],
                    stream=True,
                )
                said = [choice.delta.content or "" for chunk in stream for choice in chunk.choices]
                answers.append("".join(said))

    with ThreadPoolExecutor(CLIENTS) as pool:
        talking = [pool.submit(talk, number) for number in range(CLIENTS)]
        try:
            for nth in range(RELOADS):
                made = len(answers)
                until(
                    lambda made=made: True if len(answers) >= made + BETWEEN else None,  # type: ignore[misc]
                    "the next calls",
                )
                side = sides[1 - nth % 2]
                gateway.reload(side.models, side.agents)
        finally:
            stop.set()
        for one in talking:
            one.result()
    assert set(answers) == {echo(f"I am {number}") for number in range(CLIENTS)}
    assert len(answers) >= RELOADS * BETWEEN
    ends = [record.end for side in sides for record in side.upstream.records]
    assert set(ends) == {"whole"}
    assert all(len(side.upstream.records) > BETWEEN for side in sides)
    gateway.wait_for_no_sessions()
    # One pool of the upstream that counts; those before are closed.
    gateway.wait_for_descriptors(before + CLIENTS)
