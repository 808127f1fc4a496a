"""An upstream of one's own for each test that kills, cuts or crowds a gateway."""

import os
from collections.abc import Iterator

import pytest

from tests.upstreams.upstream import Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """The upstream, to which nothing may be sent that a vendor would refuse."""
    with Upstream() as upstream:
        yield upstream
    assert [record.refusal for record in upstream.records if record.refusal is not None] == []


@pytest.fixture(scope="session", autouse=True)
def _straight_to_loopback() -> Iterator[None]:
    """Let no proxy and no OpenAI account of this environment get into the way."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.lower().endswith("_proxy") or name.startswith("OPENAI_"):
                patch.delenv(name)
        yield
