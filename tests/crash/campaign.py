"""A campaign: clients talk while their gateway is killed again and again; then everything is compared.

All that is left to chance is drawn from one seed: who says what, and when the kills come. A kill is made
at a point of the store's writes, or at a moment, which is when clients have heard so many pieces of
answers; in the middle of a start; or in the middle of an orderly end.
"""

import signal
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Literal, assert_never

import msgspec
import trio

from greenroom.actors.stores.sqlite.transactions import Point
from tests.crash.clients import Client, Crowd
from tests.crash.comparison import Comparison, compare
from tests.crash.gateway import Gateway
from tests.upstreams.upstream import Upstream

MODEL = "m+head-0.01+pause-0.004"
"""Words come slowly enough to be cut off between them."""
SESSIONS = {"idleSeconds": 0.3}
"""Sessions go to sleep and wake up all the time."""

_SHARED = 3
"""How many of the clients talk in one session."""

When = Literal["a write", "a moment", "a start", "an end"]


class Kill(msgspec.Struct, frozen=True):
    """One end of a gateway.

    `count` is how often a point comes, or how many pieces clients hear, until then, and `delay` the
    seconds after that.
    """

    when: When
    point: Point
    count: int
    delay: float


class Report(msgspec.Struct):
    """What came of a campaign; `slowest_start` is in seconds, from the order to the open port."""

    kills: Counter[str]
    failed_checks: list[str]
    comparison: Comparison
    seconds: float
    slowest_start: float

    @property
    def is_good(self) -> bool:
        """Whether nothing at all was wrong."""
        return not self.failed_checks and self.comparison.is_good


def plan(kills: int, random: Random) -> list[Kill]:
    """Draw the kills: every other one at a point of a write, each of the points as often as any other."""
    points = cycle(Point)
    others: cycle[When] = cycle(("a moment", "a start", "a moment", "an end"))
    drawn: list[Kill] = []
    for number in range(kills):
        when: When = "a write" if number % 2 == 0 else next(others)
        point = next(points) if when == "a write" else Point.BEFORE_BEGIN
        count = random.choice((1, 2, 3, random.randint(4, 60), random.randint(4, 60)))
        if point is Point.AFTER_CHECKPOINT:
            count = 1  # a life has few of them
        drawn.append(Kill(when, point, count, random.uniform(0, 0.05)))
    random.shuffle(drawn)
    return drawn


async def run(folder: Path, upstream: Upstream, *, kills: int, seed: int, clients: int) -> Report:
    """Kill a gateway `kills` times under `clients` clients, and compare."""
    begun = time.monotonic()
    random = Random(seed)
    failed: list[str] = []
    counts: Counter[str] = Counter()
    slowest = 0.0
    async with Gateway.open(folder, upstream, model=MODEL, sessions=SESSIONS) as gateway:
        crowd = Crowd(gateway)
        async with crowd.connect() as sdk, trio.open_nursery() as nursery:
            # Who sends all of what he knows, and nothing of what others have said, cuts that out.
            shared = crowd.session(random)._replace(again=False)
            for number in range(clients):
                own = Random(f"{seed}, {number}")
                place = shared if number < _SHARED else None
                nursery.start_soon(Client(number, crowd, sdk, own, place).run)
            # The file is made in peace; what becomes of one that is not is another test's.
            await gateway.start()
            await gateway.stop()
            for kill in plan(kills, random):
                slowest = max(slowest, await _live_and_die(gateway, crowd, kill))
                counts[_name(kill)] += 1
                if (wrong := gateway.check_store()) is not None:
                    failed.append(f"after {kill}: {wrong}")
            await gateway.start()
            crowd.is_over = True
        compared = await compare(gateway, crowd, upstream.records)
        await gateway.stop()
        compared.faults += gateway.troubles()
    return Report(counts, failed, compared, time.monotonic() - begun, slowest)


async def _live_and_die(gateway: Gateway, crowd: Crowd, kill: Kill) -> float:
    """Have the gateway live until it is killed; return how long its start took."""
    begun = time.monotonic()
    await gateway.begin((kill.point, kill.count) if kill.when == "a write" else None)
    if kill.when == "a start":
        await trio.sleep(kill.delay)
        await gateway.kill()
        return 0.0
    if not await gateway.is_up():
        assert kill.when == "a write", "nobody else has killed it"
        return 0.0
    took = time.monotonic() - begun
    match kill.when:
        case "a write":
            assert await gateway.ended() == -signal.SIGKILL
        case "a moment":
            await crowd.has_heard(kill.count)
            await trio.sleep(kill.delay)
            await gateway.kill()
        case "an end":
            await crowd.has_heard(kill.count)
            gateway.send(signal.SIGTERM)
            await trio.sleep(kill.delay)
            gateway.send(signal.SIGKILL)
            assert await gateway.ended() in {0, -signal.SIGKILL}
        case _:
            assert_never(kill.when)
    return took


def _name(kill: Kill) -> str:
    return f"{kill.when}: {kill.point}" if kill.when == "a write" else kill.when
