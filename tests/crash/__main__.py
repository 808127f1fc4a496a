"""The crash tests in full: `python -m tests.crash --kills 200`, from the project's folder.

It kills a gateway as often as it is told under clients of the real SDK, and compares; then it has posts
race for sessions. What it finds it prints, and it exits with 1 if that is anything wrong.
"""

import os
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

import trio

from tests.crash import campaign
from tests.crash.gateway import Gateway
from tests.crash.races import Outcome, race
from tests.crash.verdict import Wrong
from tests.upstreams.upstream import Upstream

_SHOWN = 20
"""How many findings of a kind are printed."""


def main() -> int:
    """Run what the command line asks for, and return the exit status."""
    asked = _options().parse_args()
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("OPENAI_"):
            del os.environ[name]  # this is about loopback, and nobody's account
    is_good = True
    if asked.kills:
        is_good = _campaign(asked) and is_good
    if asked.sessions:
        is_good = _races(asked) and is_good
    return 0 if is_good else 1


def _options() -> ArgumentParser:
    parser = ArgumentParser("python -m tests.crash", description="Greenroom's crash tests in full")
    parser.add_argument("--kills", type=int, default=200, help="0 leaves the campaign out")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1, help="what chance is drawn from")
    parser.add_argument("--sessions", type=int, default=1000, help="0 leaves the races out")
    parser.add_argument("--posts", type=int, default=50, help="to each session, all at once")
    return parser


def _campaign(asked: Namespace) -> bool:
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:

        async def test() -> campaign.Report:
            return await campaign.run(
                Path(folder), upstream, kills=asked.kills, seed=asked.seed, clients=asked.clients
            )

        report = trio.run(test)
        refusals = [record.refusal for record in upstream.records if record.refusal is not None]
    compared = report.comparison
    print(f"{report.kills.total()} kills in {report.seconds:.0f} s, seed {asked.seed}:")
    for name, count in sorted(report.kills.items()):
        print(f"  {count:4} at {name}")
    print(f"{compared.sessions} sessions, {compared.turns} turns, {compared.acknowledged} acknowledged")
    print(
        f"{compared.provider_calls} calls of the model, {compared.calls_made_again} of them made again "
        "because of a kill"
    )
    print(f"slowest start after a kill: {report.slowest_start:.2f} s")
    for wrong in Wrong:
        print(f"{wrong}: {compared.count(wrong)}")
    print(f"sessions stuck: {len(compared.stuck)}")
    print(f"stores found damaged: {len(report.failed_checks)}")
    print(f"errors that no kill explains: {len(compared.faults)}")
    print(f"prompts that a vendor would refuse: {len(refusals)}")
    for told in (compared.findings, compared.stuck, report.failed_checks, compared.faults, refusals):
        for one in told[:_SHOWN]:
            print(f"  {one}")
    sys.stdout.flush()
    return report.is_good and not refusals


def _races(asked: Namespace) -> bool:
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:

        async def test() -> tuple[Outcome, list[str]]:
            async with Gateway.open(Path(folder), upstream) as gateway:
                await gateway.start()
                outcome = await race(gateway, upstream, sessions=asked.sessions, posts=asked.posts)
                await gateway.stop()
                damage = gateway.check_store()
                return outcome, gateway.troubles() + ([damage] if damage is not None else [])

        outcome, troubles = trio.run(test)
    print(f"{outcome.sessions} sessions, {outcome.posts} racing posts in {outcome.seconds:.0f} s")
    print(f"out of order, lost or doubled: {len(outcome.wrong)}")
    print(f"other troubles: {len(troubles)}")
    for one in [*outcome.wrong, *troubles][:_SHOWN]:
        print(f"  {one}")
    sys.stdout.flush()
    return not outcome.wrong and not troubles


if __name__ == "__main__":
    sys.exit(main())
