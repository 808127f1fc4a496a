"""`python -m bench upstream`: arguments in, a table or JSON out; progress goes to a terminal only.

Exit status 0; 1 if a contender failed at something, which the table says; 2 for a user's mistake.
"""

import datetime as dt
import sys
import time
from importlib.metadata import version

import click
import msgspec

from bench.page import machine
from bench.upstream.plan import FULL, QUICK
from bench.upstream.run import Turn, run
from bench.upstream.table import Result, lines, table


@click.command()
@click.option("--rounds", type=click.IntRange(1, 99), help="Rounds to take; default: 5.")
@click.option("--quick", is_flag=True, help="One round of small counts: seconds, not minutes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def upstream(rounds: int | None, quick: bool, as_json: bool) -> int:
    """Measure the transports to upstreams, beside bare trio sockets and httptools."""
    rounds = rounds or (1 if quick else 5)
    began = time.monotonic()
    samples, failures = run(QUICK if quick else FULL, rounds, _progress)
    result = Result(
        machine=machine(),
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        seconds=time.monotonic() - began,
        quick=quick,
        rounds=rounds,
        httpx2=version("httpx2"),
        lines=lines(samples),
        failures=failures,
    )
    click.echo(msgspec.json.format(msgspec.json.encode(result)) if as_json else table(result))
    return 1 if failures else 0


def _progress(turn: Turn) -> None:
    if sys.stderr.isatty():
        click.echo(f"round {turn.round + 1}: {turn.measure}, {turn.contender}", err=True)
