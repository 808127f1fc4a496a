"""A process that begins gateways, one life after another: each is `greenroom serve` in a child process.

Whoever began this one writes an order a line to it, and reads of each life its process id, what the
gateway itself prints, and at last its exit status. The program is loaded once, so that a restart takes
no longer than its store does. A life may be ordered to end itself at a point of a write; nothing else of
it is changed.
"""

import os
import signal
import sys
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import assert_never

import msgspec
import trio

from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.stores.sqlite.transactions import Point
from greenroom.actors.stores.store import Store
from greenroom.http.cli.main import run
from greenroom.http.cli.options import load_configuration
from greenroom.http.cli.serve import serve_until_signalled
from greenroom.http.config import Configuration

CONFIGURATION = "gateway.json5"
"""In the folder that the launcher runs in."""


class Whole(msgspec.Struct, frozen=True, tag="whole"):
    """A life until somebody else ends it."""

    port: int


class Doomed(msgspec.Struct, frozen=True, tag="doomed"):
    """A life that ends where its store comes to a point of a write for the `nth` time."""

    port: int
    point: Point
    nth: int


Order = Whole | Doomed


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """A life's process."""

    pid: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """Its exit status; of one that a signal ended, that signal's number below zero."""

    status: int


class Doom:
    """What a store calls at each point of a write; at the one that is ordered, the process is no more."""

    def __init__(self, order: Doomed) -> None:
        self._point = order.point
        self._left = order.nth

    def watch(self, point: Point) -> None:
        if point is self._point:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


def live(order: Order) -> int:
    """Serve until the end, and return the exit status."""
    match order:
        case Whole(port):
            return run(["serve", "--port", f"{port}", "--config", CONFIGURATION])
        case Doomed(port):
            doom = Doom(order)

            def open_store(configuration: Configuration) -> AbstractAsyncContextManager[Store]:
                assert configuration.store is not None, "the configuration names a file"
                return SqliteStore.open(configuration.store, watch=doom.watch)

            read = partial(load_configuration, CONFIGURATION, port)
            whole = trio.run(serve_until_signalled, read(), read, None, open_store)
            return 0 if whole else 130
        case _:
            assert_never(order)


def report(what: Begun | Ended) -> None:
    """Write a line, in one piece."""
    os.write(sys.stdout.fileno(), msgspec.json.encode(what) + b"\n")


def main() -> None:
    """Carry out orders until there are no more."""
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        pid = os.fork()
        if not pid:
            os.close(sys.stdin.fileno())
            os._exit(live(order))
        report(Begun(pid))
        _, status = os.waitpid(pid, 0)
        report(Ended(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
