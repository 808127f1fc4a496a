"""What a child process writes to its standard error, line by line, as a file to give it."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TextIO

import trio

_LONGEST = 4096
"""Bytes of a line; what is longer comes in pieces."""
_LAST_WORDS_S = 0.2
"""How long what was written before the end is waited for."""


@asynccontextmanager
async def overheard(said: Callable[[str], None]) -> AsyncGenerator[TextIO]:
    """Give a file whose lines are told to `said`, until all who have it have closed it."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as file:
        async with trio.lowlevel.FdStream(reading) as stream, trio.open_nursery() as nursery:
            has_ended = trio.Event()
            nursery.start_soon(_read, stream, said, has_ended)
            try:
                yield file
            finally:
                file.close()
                # Why a process has ended is what it has said last.
                with trio.move_on_after(_LAST_WORDS_S, shield=True):
                    await has_ended.wait()
                nursery.cancel_scope.cancel()


async def _read(
    stream: trio.abc.ReceiveStream, said: Callable[[str], None], has_ended: trio.Event
) -> None:
    begun = b""
    while piece := await stream.receive_some(_LONGEST):
        *lines, begun = (begun + piece).split(b"\n")
        if len(begun) >= _LONGEST:
            lines.append(begun)
            begun = b""
        for line in lines:
            if line.strip():
                said(line.decode(errors="replace").rstrip())
    if begun.strip():
        said(begun.decode(errors="replace").rstrip())
    has_ended.set()
