"""`python -m bench kernel`: arguments in, a table or JSON out; progress goes to a terminal only.

Exit status 0; 1 if a contender failed at something, which the table says; 2 for a user's mistake.
"""

import datetime as dt
import sys
import time
from importlib.metadata import PackageNotFoundError, version

import click
import msgspec

from bench.kernel.plan import ENTRIES, FULL, PEERS, QUICK, Entry
from bench.kernel.run import Turn, run
from bench.kernel.table import Result, lines, remarks, table
from bench.page import machine


@click.command()
@click.option("--rounds", type=click.IntRange(1, 99), help="Rounds to take; default: 5.")
@click.option("--quick", is_flag=True, help="One round of small counts: seconds, not minutes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--peers/--no-peers", default=True, help="Measure installed peers, too (default).")
def kernel(rounds: int | None, quick: bool, as_json: bool, peers: bool) -> int:
    """Measure the actor kernel, beside bare trio channels, pykka and autogen-core."""
    rounds = rounds or (1 if quick else 5)
    versions = {entry.name: _version(entry) for entry in ENTRIES if entry.name in PEERS and peers}
    here = [entry for entry in ENTRIES if entry.name not in PEERS or versions.get(entry.name)]
    began = time.monotonic()
    samples, failures = run(here, QUICK if quick else FULL, rounds, _progress)
    result = Result(
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        machine=machine(),
        seconds=time.monotonic() - began,
        quick=quick,
        rounds=rounds,
        peers=versions,
        lines=lines(samples),
        remarks=remarks(samples),
        failures=failures,
    )
    click.echo(msgspec.json.format(msgspec.json.encode(result)) if as_json else table(result))
    return 1 if failures else 0


def _version(peer: Entry) -> str | None:
    try:
        return version(peer.distribution)
    except PackageNotFoundError:
        return None


def _progress(turn: Turn) -> None:
    if sys.stderr.isatty():
        click.echo(f"round {turn.round + 1}: {turn.measure}, {turn.entry.name}", err=True)
