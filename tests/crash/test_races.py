"""Posts that race for one session are served one by one, in one order that everybody sees."""

from pathlib import Path

import trio

from tests.crash.gateway import PATIENCE_S, Gateway
from tests.crash.races import race
from tests.upstreams.upstream import Upstream


async def test_racing_posts_are_served_in_one_order_and_none_is_lost(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with Gateway.open(tmp_path, upstream) as gateway:
        await gateway.start()
        with trio.fail_after(2 * PATIENCE_S):
            outcome = await race(gateway, upstream, sessions=4, posts=50)
        await gateway.stop()
        assert outcome.wrong == []
        assert outcome.posts == 200
        assert gateway.check_store() is None
        assert gateway.troubles() == []
