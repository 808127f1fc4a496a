"""What came of the scripts, and the table that tells it."""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from tests.clients.libraries import Api, Library

_TOLD = 1500
"""How many characters of what a script says on standard error are shown."""


class Line(msgspec.Struct, frozen=True):
    """What a script prints for each check."""

    name: str
    ok: bool
    error: str = ""


class Run(NamedTuple):
    """One run of a script: the checks, and what is wrong with the run itself."""

    channel: str
    api: Api
    lines: tuple[Line, ...]
    trouble: str = ""

    @property
    def troubles(self) -> Iterator[str]:
        """Return what is wrong, a line for each."""
        where = f"{self.api}, {self.channel}"
        for line in self.lines:
            if not line.ok:
                yield f"{where}: {line.name}: {line.error}"
        if self.trouble:
            yield f"{where}: {self.trouble}"
        elif not self.lines:
            yield f"{where}: no check was run"


class Outcome(NamedTuple):
    """All runs of one library; `trouble` is why there were none."""

    library: Library
    version: str
    runs: Sequence[Run] = ()
    trouble: str = ""

    @property
    def troubles(self) -> Iterator[str]:
        """Return what is wrong, a line for each."""
        if self.trouble:
            yield self.trouble
        for api in self.library.apis:
            runs = [run for run in self.runs if run.api == api]
            for run in runs:
                yield from run.troubles
            if len({tuple(line.name for line in run.lines) for run in runs}) > 1:
                yield f"{api}: the channels did not have the same checks"


def read(channel: str, api: Api, done: subprocess.CompletedProcess[str]) -> Run:
    """Return what a script said; it has to end well and print nothing but its checks."""
    lines: list[Line] = []
    try:
        lines += [msgspec.json.decode(line, type=Line) for line in done.stdout.splitlines()]
    except msgspec.DecodeError as error:
        return Run(channel, api, tuple(lines), f"it printed what is no check: {error}")
    ended_well = done.returncode == 0
    trouble = "" if ended_well else f"exit status {done.returncode}\n{done.stderr[-_TOLD:]}"
    return Run(channel, api, tuple(lines), trouble)


def table(outcomes: Iterable[Outcome], channels: Sequence[str]) -> Iterator[str]:
    """Return the lines of a table in Markdown: for each library and API, the checks that passed."""
    yield f"| Library | Version | API | {' | '.join(channels)} |"
    yield "|---|---|---|" + "---|" * len(channels)
    for outcome in outcomes:
        for api in outcome.library.apis:
            cells = [_cell(outcome, api, channel) for channel in channels]
            yield f"| {outcome.library.title} | {outcome.version} | {api} | {' | '.join(cells)} |"


def _cell(outcome: Outcome, api: Api, channel: str) -> str:
    for run in outcome.runs:
        if (run.api, run.channel) == (api, channel):
            passed = sum(line.ok for line in run.lines)
            return f"{passed} of {len(run.lines)}" + (", broken off" if run.trouble else "")
    return "not run"
