"""A stream with a key goes on where it was cut, byte for byte: in its turn, and as often as one likes."""

from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import pytest

from tests.crash.gateway import Gateway
from tests.crash.streams import ANSWER, EVENTS, WORDS, Stream
from tests.upstreams.upstream import Upstream

PLACES = range(EVENTS + 1)
"""Before the first event, behind each, behind the last."""

IDS = (False, True)
"""Whether events are told with their ids."""


@pytest.fixture
async def gateway(tmp_path: Path, upstream: Upstream) -> AsyncIterator[Gateway]:
    async with Gateway.open(tmp_path, upstream) as gateway:
        await gateway.start()
        yield gateway
        await gateway.stop()
        assert gateway.troubles() == []
        assert gateway.check_store() is None


def held(after: int, name: str = "") -> str:
    """A model that says what makes so many events, and the rest when it is let go."""
    return f"m+hold-{max(after - 1, 1)}+call-{after}{name}"


async def test_one_that_is_cut_in_its_turn_goes_on_while_that_runs(
    gateway: Gateway, upstream: Upstream
) -> None:
    for event_ids, place in product(IDS, range(WORDS + 1)):
        model = held(place, "ids" if event_ids else "none")
        stream = Stream(gateway, f"key-{place}-{event_ids}", model, event_ids=event_ids)
        async with stream.open() as uncut:
            async with stream.open() as cut:
                first = await cut.take(place)
            async with stream.open(place) as resumed:
                [record] = upstream.asked(model)
                assert record.end == "open"
                upstream.let_go(model)
                rest = await resumed.rest()
            whole = await uncut.rest()
        assert len(whole) == EVENTS
        assert [*first, *rest] == whole
        assert await stream.read() == whole


async def test_one_that_is_cut_goes_on_after_its_turns_end_and_after_a_restart(
    gateway: Gateway, upstream: Upstream
) -> None:
    streams = [Stream(gateway, f"key-{ids}", "m", event_ids=ids) for ids in IDS]
    wholes = [await stream.read() for stream in streams]
    assert list(map(len, wholes)) == [EVENTS, EVENTS]
    for (stream, whole), place in product(zip(streams, wholes, strict=True), PLACES):
        async with stream.open() as cut:
            first = await cut.take(place)
        assert [*first, *await stream.read(place)] == whole
    await gateway.stop()
    await gateway.start()
    for (stream, whole), place in product(zip(streams, wholes, strict=True), PLACES):
        assert [*whole[:place], *await stream.read(place)] == whole
    assert len(upstream.asked("m")) == 2


async def test_one_whose_reader_has_gone_runs_to_its_end(
    gateway: Gateway, upstream: Upstream
) -> None:
    model = held(5)
    stream = Stream(gateway, "key", model, event_ids=True)
    async with stream.open() as cut:
        first = await cut.take(5)
    upstream.let_go(model)
    assert [*first, *await stream.read(5)] == await stream.read()
    assert [record.end for record in upstream.asked(model)] == ["whole"]


async def test_one_that_a_kill_has_cut_cannot_go_on_and_is_answered_anew(
    gateway: Gateway, upstream: Upstream
) -> None:
    for place in (1, 5, WORDS + 1):
        model = held(place)
        stream = Stream(gateway, f"key-{place}", model, event_ids=True)
        async with stream.open() as cut:
            first = await cut.take(place)
            await gateway.kill()
        await gateway.start()
        async with stream.open(place) as resumed:
            assert (resumed.status, await resumed.error()) == (409, "turn_interrupted")
            assert resumed.headers["x-should-retry"] == "false"
        upstream.let_go(model)
        anew = await stream.read()
        assert len(anew) == EVENTS
        assert anew[0] != first[0], "it is another answer, with another id"
        assert await stream.read(place) == anew[place:]
        assert len(upstream.asked(model)) == 2
        async with gateway.http() as client:
            answer = await client.get(f"/sessions/session-of-key-{place}/transcript")
        said = [entry["message"] for entry in answer.raise_for_status().json()["data"]]
        assert [message["role"] for message in said] == ["user", "assistant"]
        assert said[0]["content"] == ANSWER
        assert "interrupted" not in said[1]
