"""A model for programs of turns: what it says follows from the last thing that it is told.

A text is a name and a kind, as in "a1 slow". What is kept of an answer can so be told from what was not.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from types import TracebackType

import trio

from greenroom.actors.channels.channel import (
    Delta,
    Deltas,
    Finish,
    FinishReason,
    Reading,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import (
    AssistantEntry,
    Prompt,
    SystemEntry,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
    text_of,
)
from tests.actors.conftest import FAULT, Step

USAGE = Usage(prompt=3, completion=2)


def answer_to(name: str) -> list[str]:
    """The words of the answer to a name, or to the id of a call whose result is told."""
    return ["Said ", "to ", f"{name}."]


def _words(name: str) -> list[Deltas]:
    return [(TextDelta(word),) for word in answer_to(name)]


def _stop(reason: FinishReason = FinishReason.STOP) -> Deltas:
    return Finish(reason), USAGE


def _calls(name: str, nth: int) -> list[tuple[Delta, ...]]:
    ids = [f"{name}-{nth}-{place}" for place in range(2)]
    return [
        (ToolCallStart(i, id_, "look"), ToolCallArguments(i, "{}")) for i, id_ in enumerate(ids)
    ]


def _quick(name: str, nth: int) -> Iterator[Step]:
    yield from _words(name)
    yield _stop()


def _slow(name: str, nth: int) -> Iterator[Step]:
    for word in _words(name):
        yield word
        yield 1.0
    yield _stop()


def _silent(name: str, nth: int) -> Iterator[Step]:
    yield 3.0
    yield from _quick(name, nth)


def _lingers(name: str, nth: int) -> Iterator[Step]:
    yield from _quick(name, nth)
    yield 2.0


def _calls_tools(name: str, nth: int) -> Iterator[Step]:
    for call in _calls(name, nth):
        yield call
        yield 0.5
    yield _stop(FinishReason.TOOL_CALLS)


def _calls_mixed(name: str, nth: int) -> Iterator[Step]:
    """Words, then calls that begin together and whose arguments come the other way around."""
    calls = _calls(name, nth)
    yield _words(name)[0]
    yield tuple(start for start, _ in calls)
    for _, arguments in reversed(calls):
        yield 0.5
        yield (arguments,)
    yield (USAGE,)
    yield (Finish(FinishReason.TOOL_CALLS),)


def _fails(name: str, nth: int) -> Iterator[Step]:
    yield FAULT


def _fails_late(name: str, nth: int) -> Iterator[Step]:
    yield from _words(name)[:2]
    yield 1.0
    yield FAULT


def _crashes(name: str, nth: int) -> Iterator[Step]:
    yield from _words(name)[:2]
    yield 1.0
    yield RuntimeError("a bug")


KINDS: dict[str, Callable[[str, int], Iterator[Step]]] = {
    "quick": _quick,
    "slow": _slow,
    "silent": _silent,
    "lingers": _lingers,
    "clings": _slow,
    "calls": _calls_tools,
    "calls-mixed": _calls_mixed,
    "fails": _fails,
    "fails-late": _fails_late,
    "crashes": _crashes,
}
"""What it does; one that `clings` takes its time to let go."""
CLINGS_S = 1.5


class Model:
    """The channel; `prompts` are the transcripts that it was shown."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.prompts: list[list[TranscriptEntry]] = []
        self.under_way = 0

    def open(self, prompt: Prompt) -> "Said":
        shown = [entry for entry in prompt.entries if not isinstance(entry, SystemEntry)]
        self.prompts.append(shown)
        name, kind = "", "quick"
        match shown[-1]:
            case UserEntry(content):
                name, _, kind = text_of(content).partition(" ")
            case ToolEntry(call_id):
                name = call_id
            case AssistantEntry():
                raise AssertionError("nobody has said anything new")
        self.asked[name] += 1
        return Said(
            self, KINDS[kind](name, self.asked[name]), CLINGS_S if kind == "clings" else 0.0
        )

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


class Said(Reading):
    """One answer."""

    def __init__(self, model: Model, steps: Iterator[Step], clings: float) -> None:
        self._model = model
        self._steps = steps
        self._clings = clings
        self._first: Deltas | None = None

    async def __aenter__(self) -> "Said":
        self._model.under_way += 1
        try:
            self._first = await self._play()
        except BaseException:
            self._model.under_way -= 1
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(self._clings)
        self._model.under_way -= 1

    async def __anext__(self) -> Deltas:
        deltas, self._first = self._first, None
        if deltas is None:
            deltas = await self._play()
        if deltas is None:
            raise StopAsyncIteration
        return deltas

    async def _play(self) -> Deltas | None:
        for step in self._steps:
            if isinstance(step, tuple):
                await trio.lowlevel.checkpoint()
                return step
            if isinstance(step, Exception):
                raise step
            await trio.sleep(step)
        return None
