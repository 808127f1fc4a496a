"""The order in which trio runs its tasks, drawn from a seed.

Trio shuffles the tasks that can run. For Hypothesis it can do so repeatably, which pytest-trio uses,
too; that seam is opened for as long as runs last, and is left as it was found.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from random import Random
from types import ModuleType
from typing import Any

import trio


class Chance(threading.local):
    """What trio draws from meanwhile: in a run's thread the run's source, elsewhere trio's own."""

    def __init__(self, source: Random) -> None:
        self.source = source  # each thread has this anew

    def __getattr__(self, name: str) -> object:
        return getattr(self.source, name)


class Schedule:
    """The seam, with a count of the runs that need it; they may be in many threads."""

    SOURCE = "_r"
    ALLOWED = "_ALLOW_DETERMINISTIC_SCHEDULING"

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._runs = 0
        self._found: tuple[Any, Any] = (None, None)

    @contextmanager
    def seeded(self, seed: int) -> Generator[None]:
        """Have the trio run of this thread draw from `seed`; runs of other threads notice nothing.

        Raises:
            RuntimeError: this trio has no such seam.
        """
        chance = self._open()
        before, chance.source = chance.source, Random(seed)  # noqa: S311 - an order, no secret
        try:
            yield
        finally:
            chance.source = before
            self._close()

    def _open(self) -> Chance:
        with self._lock:
            if not self._runs:
                try:
                    source = getattr(self._module, self.SOURCE)
                    allowed = getattr(self._module, self.ALLOWED)
                except AttributeError as error:
                    msg = f"the schedule of trio {trio.__version__} cannot be seeded: {error}"
                    raise RuntimeError(msg) from error
                self._found = source, allowed
                setattr(self._module, self.SOURCE, Chance(source))
                setattr(self._module, self.ALLOWED, True)
            self._runs += 1
            chance: Chance = getattr(self._module, self.SOURCE)
            return chance

    def _close(self) -> None:
        with self._lock:
            self._runs -= 1
            if not self._runs:
                source, allowed = self._found
                setattr(self._module, self.SOURCE, source)
                setattr(self._module, self.ALLOWED, allowed)


SCHEDULE = Schedule(import_module("trio._core._run"))
