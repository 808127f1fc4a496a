"""What tests of the direct transport share: one of it, and upstreams that say which connection it is."""

from collections.abc import AsyncGenerator

import pytest

from greenroom.actors.channels.transport.direct import Direct
from tests.actors.channels.conftest import LIMITS, Peer, Script, Upstream, post, whole


@pytest.fixture
async def direct() -> AsyncGenerator[Direct]:
    """The direct transport, with `LIMITS`."""
    transport = Direct("local", LIMITS)
    yield transport
    await transport.aclose()


async def who(peer: Peer) -> None:
    """Answer with which connection it is."""
    await peer.answer(200, b"%d" % peer.serial)


async def ask(transport: Direct, upstream: Upstream) -> int:
    """Return which connection answered."""
    async with transport.open(post(upstream.url)) as response:
        return int(await whole(response))


def closes(*numbers: int, end: Script = Peer.close) -> Script:
    """Write the script of an upstream that hears, and closes at these requests of all."""
    heard = 0

    async def script(peer: Peer) -> None:
        nonlocal heard
        heard += 1
        await (end(peer) if heard in numbers else who(peer))

    return script
