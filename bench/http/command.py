"""`python -m bench http`: arguments in, tables or JSON out; progress goes to a terminal only.

Exit status 0; 1 if something could not be measured, which the tables say; 2 for a user's mistake.
"""

import datetime as dt
import sys
import time
from pathlib import Path

import click
import msgspec

from bench.http.plan import FULL, QUICK, Failure, Memory, Name, Sample
from bench.http.run import run
from bench.http.table import Result, lines, text
from bench.page import machine

_VENV = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--rounds", type=click.IntRange(1, 99), help="Rounds to take; default: 3.")
@click.option("--quick", is_flag=True, help="One round of small counts: that it works, no more.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option(
    "--tensorzero", type=_VENV, help="A virtual environment that has it, to measure it too."
)
@click.option("--litellm", type=_VENV, help="The same for LiteLLM's proxy.")
def http(
    rounds: int | None, quick: bool, as_json: bool, tensorzero: Path | None, litellm: Path | None
) -> int:
    """Measure the gateway over HTTP, beside bare trio and, where they are named, its peers."""
    rounds = rounds or (1 if quick else 3)
    peers: dict[Name, Path | None] = {"tensorzero": tensorzero, "litellm": litellm}
    venvs: dict[Name, Path] = {
        name: venv.absolute() for name, venv in peers.items() if venv is not None
    }
    began = time.monotonic()
    outcomes = run(venvs, QUICK if quick else FULL, rounds, _progress)
    failures = [one for one in outcomes if isinstance(one, Failure)]
    result = Result(
        machine=machine(),
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        seconds=time.monotonic() - began,
        quick=quick,
        rounds=rounds,
        lines=lines([one for one in outcomes if isinstance(one, Sample)]),
        memory=[one for one in outcomes if isinstance(one, Memory)],
        failures=failures,
    )
    click.echo(msgspec.json.format(msgspec.json.encode(result)) if as_json else text(result))
    return 1 if failures else 0


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        click.echo(what, err=True)
