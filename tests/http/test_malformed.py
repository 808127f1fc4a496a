"""A malformed body is its client's fault, whatever it is: 4xx, no trouble in the log, nothing kept of it.

`BODIES=100000 .venv/bin/python -m pytest tests/http/test_malformed.py` sends as many.
"""

import gc
import os
from pathlib import Path

from tests.http.conftest import Site
from tests.http.malformed import malformed

BODIES = int(os.environ.get("BODIES", "4000"))
SEED = int(os.environ.get("SEED", "1"))

_MOST_GROWTH = 4 * 1024 * 1024
"""Bytes that the process may grow by, from a quarter of the bodies to the last."""


def resident() -> int:
    """The memory of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_every_malformed_body_is_answered_with_4xx() -> None:
    settled = 0
    async with Site(level="warn") as site:
        for number, (path, body) in enumerate(malformed(BODIES, SEED)):
            if number == BODIES // 4:
                settled = resident()
            answer = await site.post(body, path=path)
            assert 400 <= answer.status < 500, (path, body, answer.body)
            error = answer.error()
            assert error["message"]
            assert len(answer.body) < 4000
        grown = resident() - settled
        assert not site.lines.text, "nothing is worth a warning"
    assert grown < _MOST_GROWTH
