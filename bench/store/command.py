"""`python -m bench store`: arguments in, tables or JSON out; progress goes to a terminal only.

Exit status 0; 1 if something could not be measured, which the tables say; 2 for a user's mistake.
"""

import datetime as dt
import sys
import tempfile
import time
from pathlib import Path

import click
import msgspec

from bench.page import machine
from bench.store.plan import FULL, QUICK
from bench.store.run import Turn, run
from bench.store.table import Result, tables, text


@click.command()
@click.option("--rounds", type=click.IntRange(1, 99), help="Rounds to take; default: 5.")
@click.option("--quick", is_flag=True, help="One round of small counts: that it works, no more.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Where the stores are made, which is on the disk that is measured; default: the system's "
    "temporary folder.",
)
def store(rounds: int | None, quick: bool, as_json: bool, folder: Path | None) -> int:
    """Measure sessions that last, beside the disk and beside turns that are not kept."""
    rounds = rounds or (1 if quick else 5)
    folder = (folder or Path(tempfile.gettempdir())).resolve()
    began = time.monotonic()
    samples, failures = run(folder, QUICK if quick else FULL, rounds, _progress)
    result = Result(
        machine=machine(),
        disk=file_system(folder),
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        seconds=time.monotonic() - began,
        quick=quick,
        rounds=rounds,
        tables=tables(samples, failures),
        failures=failures,
    )
    click.echo(msgspec.json.format(msgspec.json.encode(result)) if as_json else text(result))
    return 1 if failures else 0


def file_system(folder: Path) -> str:
    """Return the kind of the file system that a folder is on, such as "ext4"."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return "a file system of unknown kind"
    kinds = {line.split()[4]: line.partition(" - ")[2].split()[0] for line in lines}
    return next(kinds[str(at)] for at in (folder, *folder.parents) if str(at) in kinds)


def _progress(turn: Turn) -> None:
    if sys.stderr.isatty():
        case = turn.case
        click.echo(f"round {turn.round + 1}: {case.measure}, {case.subject}, {case.at}", err=True)
