"""The client libraries against a gateway: `python -m tests.clients`, from the project's folder.

It makes an environment for each library, starts an upstream and a gateway before it, runs each library's
script against each channel, prints a table, and exits with 1 if anything is wrong.
"""

import subprocess
import sys
import tempfile
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from tests.clients.environments import RUN_S, Environment, NotInstalledError
from tests.clients.libraries import LIBRARIES, Library
from tests.clients.report import Outcome, Run, read, table
from tests.sdk.channels.vendors import VENDORS, provider_of
from tests.sdk.conftest import Gateway
from tests.upstreams.upstream import Upstream

_CHANNELS = [vendor.id for vendor in VENDORS]
_FAILED_ON_PURPOSE = {"run.attempt_failed", "provider.rate_limited"}
"""What the gateway's log has to warn of."""


def main() -> int:
    """Run what the command line asks for, and return the exit status."""
    asked = _options().parse_args()
    wanted = asked.libraries or LIBRARIES
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
        with _gateway(Path(folder), upstream) as gateway:
            outcomes = [_checked(library, gateway, asked) for library in wanted]
        refusals = [record.refusal for record in upstream.records if record.refusal is not None]
    _print("", *table(outcomes, _CHANNELS))
    troubles = [f"{o.library.id}: {trouble}" for o in outcomes for trouble in o.troubles]
    troubles += [f"a vendor would refuse: {refusal}" for refusal in refusals]
    _print("", *troubles or ["All is well."])
    return 1 if troubles else 0


def _options() -> ArgumentParser:
    parser = ArgumentParser("python -m tests.clients", description="Client libraries, checked.")
    ids = ", ".join(library.id for library in LIBRARIES)
    parser.add_argument("libraries", nargs="*", type=_library, help=f"of {ids}; none named: all")
    parser.add_argument("--newest", action="store_true", help="install anew what is there already")
    return parser


def _library(id_: str) -> Library:
    for library in LIBRARIES:
        if library.id == id_:
            return library
    raise ArgumentTypeError(f"there is no library {id_!r}")


@contextmanager
def _gateway(folder: Path, upstream: Upstream) -> Generator[Gateway]:
    """Run a gateway before all three APIs of the upstream, whose failures it tells at once."""
    at_once = {"retry": {"times": 0}, "cooldown": {"failures": 0}}
    providers = {vendor.id: provider_of(vendor, upstream, **at_once) for vendor in VENDORS}
    gateway = Gateway(
        folder / "gateway",
        models={"providers": providers},
        agents={"entries": {"main": {}}},
        limits={},
        environment={},
    )
    try:
        yield gateway
        gateway.end(expected=_FAILED_ON_PURPOSE)
    finally:
        gateway.kill()


def _checked(library: Library, gateway: Gateway, asked: Namespace) -> Outcome:
    environment = Environment(library)
    _print(f"{library.title}: installing")
    try:
        environment.make(anew=asked.newest)
    except NotInstalledError as error:
        return Outcome(library, "–", trouble=str(error))
    version = environment.version()
    _print(f"{library.title}: checking {version}")
    return Outcome(library, version, _runs(library, environment, gateway))


def _runs(library: Library, environment: Environment, gateway: Gateway) -> Sequence[Run]:
    runs: list[Run] = []
    for api, vendor in product(library.apis, VENDORS):
        told = {
            "GREENROOM_URL": gateway.url,
            "GREENROOM_KEY": gateway.key,
            "GREENROOM_MODEL": f"{vendor.id}/{vendor.model}",
            "GREENROOM_API": api,
        }
        try:
            runs.append(read(vendor.id, api, environment.run(told)))
        except subprocess.TimeoutExpired:
            runs.append(Run(vendor.id, api, (), f"not ended within {RUN_S} s"))
    return runs


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
