"""Killed at a write, at a moment, in its start or in its end: what clients were told is there, once."""

from pathlib import Path

import pytest

from greenroom.actors.stores.sqlite.transactions import Point
from tests.crash import campaign
from tests.upstreams.upstream import Upstream

pytestmark = [
    # The SDK leaves generators to the loop's finalizer, of which trio alone tells; or to the collector's.
    pytest.mark.filterwarnings(
        r"ignore:Async generator '(openai|httpx2|httpcore2)\.:ResourceWarning"
    ),
    pytest.mark.filterwarnings(
        r"ignore:Exception ignored in. <async_generator object "
        r"(AsyncStream|SSEDecoder|Response|AsyncResponseStream|PoolByteStream)\."
        r":pytest.PytestUnraisableExceptionWarning"
    ),
]


async def test_nothing_that_was_told_is_lost_or_doubled_and_every_session_goes_on(
    tmp_path: Path, upstream: Upstream
) -> None:
    kills = 2 * len(Point)
    report = await campaign.run(tmp_path, upstream, kills=kills, seed=1, clients=8)
    assert report.failed_checks == []
    compared = report.comparison
    assert (compared.stuck, compared.faults, compared.findings) == ([], [], [])
    assert report.is_good
    assert report.kills.total() == kills
    assert all(report.kills[f"a write: {point}"] for point in Point)
    assert compared.acknowledged >= kills, "there was enough to be lost"
