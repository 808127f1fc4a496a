"""One sample in this process: `python -m bench.upstream.sample CONTENDER MEASURE SIZES`.

It starts an upstream beside it, has one client do one thing, and prints the `Sample` as JSON. The time is
the CPU's, of this process alone.
"""

import gc
import resource
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

import msgspec
import trio

from bench.upstream.contenders import contender
from bench.upstream.plan import AT_ONCE, CHUNKS, Contender, Measure, Name, Sample, Sizes


class WrongAnswer(Exception):  # noqa: N818 - a fact about a client
    """What was read is not what the upstream sent."""


@contextmanager
def upstream() -> Generator[int]:
    """Run the upstream in a process of its own; yields its port."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.upstream.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        if server.stdout is None:
            raise AssertionError
        yield int(server.stdout.readline())


async def take(client: Contender, measure: Measure, sizes: Sizes) -> float:
    """Return the microseconds of CPU time that each thing took."""
    try:
        match measure:
            case "request":
                return await _timed(client, "/answer", sizes.requests, 1)
            case "chunk":
                return await _timed(client, "/stream", sizes.streams, CHUNKS)
            case "crowded":
                return await _crowded(client, sizes)
    finally:
        await client.aclose()


async def _crowded(client: Contender, sizes: Sizes) -> float:
    async def hold(*, task_status: trio.TaskStatus[None]) -> None:
        async with client.open("/hold") as body:
            await body.read()
            task_status.started()
            await body.read()

    async with trio.open_nursery() as nursery:
        for _ in range(sizes.others):
            await nursery.start(hold)
        micros = await _timed(client, "/answer", sizes.crowded, 1)
        nursery.cancel_scope.cancel()
    return micros


async def _timed(client: Contender, target: str, count: int, events: int) -> float:
    """Ask `count` times, `AT_ONCE` at once; return the time of each of `events` in each answer."""
    expected = await _ask(client, target)

    async def ask_some(count: int) -> None:
        for _ in range(count):
            if await _ask(client, target) != expected:
                raise WrongAnswer

    async def ask_all(count: int) -> None:
        least, more = divmod(count, AT_ONCE)
        async with trio.open_nursery() as nursery:
            for number in range(AT_ONCE):
                nursery.start_soon(ask_some, least + (number < more))

    await ask_all(max(AT_ONCE, count // 10))
    gc.collect()
    began = time.process_time_ns()
    await ask_all(count)
    return (time.process_time_ns() - began) / 1000 / (count * events)


async def _ask(client: Contender, target: str) -> int:
    """Return how many bytes were answered."""
    size = 0
    async with client.open(target) as body:
        while data := await body.read():
            size += len(data)
    return size


def main(name: Name, measure: Measure, sizes: Sizes) -> None:
    """Measure, and print."""
    # A stream is a file; where so many are too many, the sample says so by failing.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with upstream() as port:
        micros = trio.run(take, contender(name, port), measure, sizes)
    sample = Sample(name, measure, sizes.of(measure), micros)
    sys.stdout.write(msgspec.json.encode(sample).decode())


if __name__ == "__main__":
    _, name_text, measure_text, sizes_json = sys.argv
    main(
        msgspec.convert(name_text, Name),
        msgspec.convert(measure_text, Measure),
        msgspec.json.decode(sizes_json, type=Sizes),
    )
