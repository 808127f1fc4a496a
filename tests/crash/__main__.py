"""The crash tests in full: `python -m tests.crash --kills 200`, from the project's folder.

It kills a gateway as often as it is told under clients of the real SDK, and compares; then it has posts
race for sessions. What it finds it prints, and it exits with 1 if that is anything wrong.
"""

import os
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import trio

from tests.crash import campaign
from tests.crash.gateway import Gateway
from tests.crash.races import Outcome, race
from tests.crash.verdict import Wrong
from tests.upstreams.upstream import Upstream

_SHOWN = 20
"""How many troubles of a kind are printed."""


def main() -> int:
    """Run what the command line asks for, and return the exit status."""
    asked = _options().parse_args()
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("OPENAI_"):
            del os.environ[name]  # this is about loopback, and nobody's account
    is_good = True
    if asked.kills:
        is_good = _kill(asked)
    if asked.sessions:
        is_good = _race(asked) and is_good
    return 0 if is_good else 1


def _options() -> ArgumentParser:
    parser = ArgumentParser("python -m tests.crash", description="The crash tests in full.")
    parser.add_argument("--kills", type=int, default=200, help="0 leaves these out")
    parser.add_argument("--clients", type=int, default=8, help="that talk meanwhile")
    parser.add_argument("--seed", type=int, default=1, help="what chance is drawn from")
    parser.add_argument("--sessions", type=int, default=1000, help="of races; 0 leaves these out")
    parser.add_argument("--posts", type=int, default=50, help="that race for each session")
    return parser


def _kill(asked: Namespace) -> bool:
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:

        async def test() -> campaign.Report:
            return await campaign.run(
                Path(folder), upstream, kills=asked.kills, seed=asked.seed, clients=asked.clients
            )

        report = trio.run(test)
        refusals = [record.refusal for record in upstream.records if record.refusal is not None]
    _print(_lines(report, asked.seed))
    _print([f"prompts that a vendor would refuse: {len(refusals)}"])
    compared = report.comparison
    _print_some(compared.findings)
    _print_some([*compared.stuck, *report.failed_checks, *compared.faults, *refusals])
    return report.is_good and not refusals


def _lines(report: campaign.Report, seed: int) -> Iterator[str]:
    compared = report.comparison
    yield f"{report.kills.total()} kills in {report.seconds:.0f} s, seed {seed}:"
    for name, count in sorted(report.kills.items()):
        yield f"  {count:4} at {name}"
    yield (
        f"{compared.sessions} sessions, {compared.turns} turns, "
        f"{compared.acknowledged} of them acknowledged"
    )
    yield (
        f"{compared.provider_calls} calls of the model, "
        f"{compared.calls_made_again} of them made again after a kill"
    )
    yield f"slowest start after a kill: {report.slowest_start:.2f} s"
    for wrong in Wrong:
        yield f"{wrong}: {compared.count(wrong)}"
    yield f"sessions stuck: {len(compared.stuck)}"
    yield f"stores damaged: {len(report.failed_checks)}"
    yield f"errors that no kill explains: {len(compared.faults)}"


def _race(asked: Namespace) -> bool:
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:

        async def test() -> tuple[Outcome, list[str]]:
            async with Gateway.open(Path(folder), upstream) as gateway:
                await gateway.start()
                outcome = await race(gateway, upstream, sessions=asked.sessions, posts=asked.posts)
                await gateway.stop()
                damage = gateway.check_store()
                return outcome, gateway.troubles() + ([] if damage is None else [damage])

        outcome, troubles = trio.run(test)
    _print(
        [
            f"{outcome.sessions} sessions, {outcome.posts} racing posts in {outcome.seconds:.0f} s",
            f"sessions out of order, with a post lost or doubled: {len(outcome.wrong)}",
            f"other troubles: {len(troubles)}",
        ]
    )
    _print_some(outcome.wrong)
    _print_some(troubles)
    return not outcome.wrong and not troubles


def _print_some(troubles: Sequence[object]) -> None:
    _print(f"  {one}" for one in islice(troubles, _SHOWN))


def _print(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
