"""A gateway that has served a thousand requests is the gateway that it was before."""

from pathlib import Path

import openai
import pytest
import trio

from tests.sdk.conftest import (
    SCRIPTED,
    THROUGH_UPSTREAM,
    Gateway,
    StartGateway,
    async_client_of,
    reply,
)

pytestmark = pytest.mark.filterwarnings(
    # The SDK leaves generators to the loop's finalizer, of which trio alone tells.
    r"ignore:Async generator '(openai|httpx2|httpcore2)\.:ResourceWarning"
)

TWO_MINUTES = 120
IDLE_UPSTREAM_CONNECTIONS = 32
MOST_THREADS = 8
"""The main one, the store's writer, and readers, which end when they are idle."""


def status(gateway: Gateway, name: str) -> int:
    """Return a number of /proc/PID/status; sizes are in kB."""
    text = Path(f"/proc/{gateway.process.pid}/status").read_text("utf-8")
    [line] = [line for line in text.splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1])


async def serve_many(gateway: Gateway, model: str, requests: int) -> None:
    """Make requests of every kind, 40 at a time; each knows how it should end."""
    async with async_client_of(gateway) as client:

        async def whole() -> None:
            answer = await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "hello"}]
            )
            assert answer.choices[0].message.content == reply("hello", "1st")

        async def streamed() -> None:
            stream = await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "hello"}], stream=True
            )
            said = [chunk.choices[0].delta.content or "" async for chunk in stream]
            assert "".join(said) == reply("hello", "1st")

        async def left_early() -> None:
            stream = await client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": "[slow 600] hello"}],
                stream=True,
            )
            async with stream:
                await anext(stream)

        async def given_up() -> None:
            with trio.move_on_after(0.05):
                await client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "[wait 600]"}]
                )
                raise AssertionError("it was answered")

        async def refused() -> None:
            with pytest.raises(openai.BadRequestError):
                await client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "hello"}], temperature=9
                )

        async def failed() -> None:
            with pytest.raises(openai.APIStatusError):
                await client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "[fail upstream_error]"}]
                )

        kinds = [whole, streamed, whole, left_early, streamed, whole, given_up, refused, failed]
        numbers = iter(range(requests))

        async def customer() -> None:
            for number in numbers:
                await kinds[number % len(kinds)]()

        with trio.fail_after(TWO_MINUTES):
            async with trio.open_nursery() as nursery:
                for _ in range(40):
                    nursery.start_soon(customer)


@pytest.mark.parametrize(
    ("model", "requests", "idle"),
    [(SCRIPTED, 1_000, 0), (THROUGH_UPSTREAM, 200, IDLE_UPSTREAM_CONNECTIONS)],
    ids=["scripted", "upstream"],
)
async def test_nothing_is_left_of_stateless_requests(
    start_gateway: StartGateway, model: str, requests: int, idle: int
) -> None:
    far = start_gateway()
    near = start_gateway(far)
    # The first requests load what is loaded once.
    await serve_many(near, model, 100)
    for gateway in (near, far):
        gateway.wait_for_no_sessions()
    base = {gateway: gateway.descriptors() for gateway in (near, far)}
    memory = status(near, "VmRSS")

    await serve_many(near, model, requests)

    for gateway in (near, far):
        gateway.wait_for_no_sessions()
        gateway.wait_for_descriptors(base[gateway] + idle)
    assert status(near, "Threads") <= MOST_THREADS
    assert status(near, "VmRSS") - memory < 30_000
    near.end()
    far.end()
