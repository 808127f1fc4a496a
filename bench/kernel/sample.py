"""One sample in this process: `python -m bench.kernel.sample CONTENDER MEASURE SIZES`.

It knows one contender and one measure, and prints the `Sample` as JSON. A contender's module is
imported here and nowhere else, so a peer that is not installed is missed by nobody.
"""

import importlib
import logging
import os
import sys

import msgspec
import structlog

from bench.kernel.plan import ENTRIES, Contender, Figures, Keyed, Measure, Sample, Sizes

MODULES = {entry.name: entry.module for entry in ENTRIES}


def main(name: str, measure: Measure, sizes: Sizes) -> None:
    """Measure, with the logs as in production: ours from info on, the peers' from errors on."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    for peer in ("pykka", "autogen_core"):
        logging.getLogger(peer).setLevel(logging.ERROR)
    # Read when its runtime is built; spans that nobody collects are not held against it.
    os.environ["AUTOGEN_DISABLE_RUNTIME_TRACING"] = "true"
    module = importlib.import_module(f"bench.kernel.contenders.{MODULES[name]}")
    contender: Contender = module.contender()

    def say(figures: Figures) -> None:
        """Print, and end before the contender takes down what it has built: that is not measured."""
        sample = Sample(name, measure, sizes.of(measure), figures)
        sys.stdout.write(msgspec.json.encode(sample).decode())
        sys.stdout.flush()
        os._exit(0)

    match measure:
        case "tell":
            say(contender.tell(sizes))
        case "ask":
            say(contender.ask(sizes))
        case "crowd":
            say(contender.crowd(sizes))
        case "stream":
            say(contender.stream(sizes))
        case "paced":
            say(contender.paced(sizes))
        case "parked":
            contender.parked(sizes, say)
        case "keyed":
            keyed: Keyed = module.contender()
            say(keyed.keyed(sizes))


if __name__ == "__main__":
    _, contender_name, measure_name, sizes_json = sys.argv
    main(
        contender_name,
        msgspec.convert(measure_name, Measure),
        msgspec.json.decode(sizes_json, type=Sizes),
    )
