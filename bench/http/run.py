"""Samples in rounds: all gateways are up at once, and take turns at each load.

So what the machine does besides hits all alike. It knows neither how a gateway is started nor the table.
"""

import resource
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from bench.http import memory, processes
from bench.http.contenders import Running, running, upstream
from bench.http.load import NotAnswered, load, spread
from bench.http.plan import SHAPES, Failure, Memory, Name, Sample, Shape, Sizes

Outcome = Sample | Memory | Failure


class Turn(msgspec.Struct, frozen=True):
    """One sample to take."""

    round: int
    shape: Shape
    contender: Name


def turns(rounds: int, names: Sequence[Name]) -> Iterator[Turn]:
    """Return all samples in order: by round, by load, and another gateway first each round."""
    for number in range(rounds):
        first = number % len(names)
        for shape in SHAPES:
            for name in (*names[first:], *names[:first]):
                yield Turn(number, shape, name)


def run(
    venvs: Mapping[Name, Path], sizes: Sizes, rounds: int, progress: Callable[[str], None]
) -> list[Outcome]:
    """Start everything and take every sample; who failed at a load is not given it again."""
    # A stream is a file here and two there; where so many are too many, opening them fails.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    outcomes: list[Outcome] = []
    names: tuple[Name, ...] = ("floor", "greenroom", *venvs)
    with ExitStack() as stack:
        port = stack.enter_context(upstream())
        up: dict[Name, Running] = {}
        for name in names:
            progress(f"{name}: start and memory")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            try:
                up[name] = stack.enter_context(running(name, venvs, port, folder))
                outcomes.append(memory.look(up[name], sizes, port))
            except (NotAnswered, OSError) as error:
                outcomes.append(Failure(name, "start and memory", _words(error, folder)))
        given_up: set[tuple[Name, str]] = set()
        for turn in turns(rounds, tuple(up)):
            what = (turn.contender, turn.shape.title)
            if what not in given_up:
                progress(f"round {turn.round + 1}: {turn.shape.title}, {turn.contender}")
                outcome = take(up[turn.contender], turn.shape, sizes, warm=turn.round == 0)
                outcomes.append(outcome)
                if isinstance(outcome, Failure):
                    given_up.add(what)
    return outcomes


def take(gateway: Running, shape: Shape, sizes: Sizes, *, warm: bool = False) -> Sample | Failure:
    """Put a load on a gateway, if `warm` after a short one that does not count."""
    at_once = sizes.at_once(shape)
    try:
        if warm:
            load(gateway.target, shape.model, at_once, sizes.seconds / 8)
        before = processes.cpu(gateway.pid)
        taken = load(gateway.target, shape.model, at_once, sizes.seconds)
        after = processes.cpu(gateway.pid)
    except (NotAnswered, OSError) as error:
        return Failure(gateway.name, shape.title, str(error) or type(error).__name__)
    answers = len(taken.lasted)
    first = spread(taken.first)
    assert first is not None, "each client asks at least once"  # noqa: S101
    return Sample(
        gateway.name,
        shape.title,
        answers,
        answers / taken.seconds,
        None if before is None or after is None else (after - before) / answers * 1e3,
        first,
        spread(taken.between),
        spread(taken.added),
        taken.stretch if shape.model == "paced" else None,
    )


def _words(error: Exception, folder: Path) -> str:
    """Return what went wrong, with the last words of who did not come up."""
    file = folder / "errors"
    last = file.read_text("utf-8", "replace").strip().splitlines()[-1:] if file.exists() else []
    return "; ".join([str(error) or type(error).__name__, *last])
