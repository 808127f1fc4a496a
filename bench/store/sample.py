"""One sample in this process: `python -m bench.store.sample CASE SIZES FOLDER`.

It makes a folder of its own in FOLDER for the store, takes the one sample, and prints it as JSON.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import assert_never

import msgspec
import trio

from bench.store import appends, disk, memory, over_http, turns, waking
from bench.store.plan import Case, Figures, Sample, Sizes


async def take(case: Case, sizes: Sizes, folder: Path) -> Figures:
    """Measure one thing, with the files in `folder`."""
    at, subject = case.at, case.subject
    match case.measure:
        case "disk":
            write = disk.file if subject == "file" else disk.sqlite
            figures = write(folder, sizes.commits)
        case "appends":
            figures = await appends.take(folder, at, sizes.turns_of(at))
        case "turns":
            figures = await turns.at_once(folder, subject, at, sizes.turns_of(at))
        case "length":
            entries = sizes.entries_of(case)
            figures = await turns.in_a_long_session(folder, entries, sizes.long_turns)
        case "http":
            figures = await over_http.take(folder, subject, at, sizes.turns_of(at))
        case "waking":
            figures = await waking.take(folder, case, sizes)
        case "touched":
            figures = await memory.touched(folder, sizes.touched, sizes.wave)
        case "stored":
            figures = await memory.stored(folder, sizes.stored)
        case _:
            assert_never(case.measure)
    return figures


def main(case: Case, sizes: Sizes, folder: Path) -> None:
    """Measure, and print."""
    with TemporaryDirectory(dir=folder, prefix="greenroom-bench-") as own:
        figures = trio.run(take, case, sizes, Path(own))
    sys.stdout.write(msgspec.json.encode(Sample(case, figures)).decode())


if __name__ == "__main__":
    _, case_json, sizes_json, folder_text = sys.argv
    main(
        msgspec.json.decode(case_json, type=Case),
        msgspec.json.decode(sizes_json, type=Sizes),
        Path(folder_text),
    )
