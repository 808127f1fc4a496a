"""A client that leaves takes the call to the upstream with it, whatever API that speaks."""

from typing import Literal

import pytest
import trio
from openai import OpenAI

from tests.processes import until
from tests.sdk.conftest import PATIENCE_S, Gateway, async_client_of
from tests.upstreams.cues import cue
from tests.upstreams.upstream import Upstream

LEAVERS = 20

pytestmark = pytest.mark.filterwarnings(
    # The SDK leaves generators to the loop's finalizer, of which trio alone tells.
    r"ignore:Async generator '(openai|httpx2|httpcore2)\.:ResourceWarning"
)


@pytest.fixture
def slow(model: str, fresh: str) -> str:
    """A model of this test's own that says a word and then nothing for long."""
    return f"{model}+pause-600+call-{fresh.removeprefix('fresh-')}"


def wait_for(vendors: Upstream, model: str, end: Literal["open", "left"]) -> None:
    """Wait until all calls have come so far."""
    name = model.partition("/")[2]

    def all_have() -> bool | None:
        ends = [record.end for record in vendors.asked(name)]
        return True if ends.count(end) == LEAVERS else None

    until(all_have, f"{LEAVERS} calls that are {end!r}")
    assert len(vendors.asked(name)) == LEAVERS


def test_who_leaves_a_stream_closes_its_upstreams_connection(
    client: OpenAI, vendors: Upstream, slow: str
) -> None:
    for _ in range(LEAVERS):
        with client.chat.completions.create(
            model=slow, messages=[{"role": "user", "content": cue("one two")}], stream=True
        ) as stream:
            said = (chunk.choices[0].delta.content for chunk in stream)
            assert next(filter(None, said)) == "one"
    wait_for(vendors, slow, "left")


async def test_who_gives_up_waiting_closes_it_as_well(
    gateway: Gateway, vendors: Upstream, slow: str
) -> None:
    async with async_client_of(gateway) as client:

        async def wait_for_a_whole_answer() -> None:
            await client.chat.completions.create(
                model=slow, messages=[{"role": "user", "content": cue("one two")}]
            )

        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                for _ in range(LEAVERS):
                    nursery.start_soon(wait_for_a_whole_answer)
                await trio.to_thread.run_sync(wait_for, vendors, slow, "open")
                nursery.cancel_scope.cancel()
    await trio.to_thread.run_sync(wait_for, vendors, slow, "left")
