"""The scripted channel: a model that needs no key and no network, and does what it is told.

It is the embedded default, and of use in tests: its silences follow trio's clock, so under a virtual
one they take no time.
"""

import math
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from types import TracebackType

import msgspec
import trio

from greenroom.actors.channels.channel import Deltas, Notes, Reading
from greenroom.actors.channels.embedding import Embedded, Embedding
from greenroom.actors.channels.loose import items
from greenroom.actors.channels.script import Pause, Step, perform
from greenroom.actors.entries import Prompt, Sampling
from greenroom.actors.failure import Failure, FailureKind, TurnFailed

_DIMENSIONS = 8
"""Of an embedding, where none are asked for."""
_MOST_NUMBERS = 2**16
"""In all the vectors of an answer: they are made on the loop that everybody waits for."""

_HONOURED = {"max_tokens", "choices", "top_logprobs"}


class ScriptedChannel:
    """Performs `script.perform`; see there for what it understands."""

    def open(self, prompt: Prompt) -> "Performance":
        """Begin a performance; what comes before its first word happens on entering.

        Raises `TurnFailed` (INVALID_REQUEST), naming the field, for what no script can give.
        """
        _refuse_impossible(prompt)
        return Performance(perform(prompt), _dropped(prompt))

    async def embed(self, wanted: Embedding) -> Embedded:
        """Return vectors that have nothing of a meaning, but the same for the same input."""
        await trio.lowlevel.checkpoint()
        dimensions = wanted.dimensions or _DIMENSIONS
        most = _MOST_NUMBERS // max(1, len(wanted.inputs))
        if dimensions > most:
            raise _unsupported(
                "dimensions",
                f"`dimensions` must be at most {most} with so many inputs: a script is small.",
            )
        vectors = tuple(_vector(item, dimensions) for item in wanted.inputs)
        tokens = sum(len(item.split() if isinstance(item, str) else item) for item in wanted.inputs)
        return Embedded(vectors, tokens, Notes(tuple(sorted(wanted.extra))))

    async def aclose(self) -> None:
        """Do nothing: a performance holds no resource."""
        await trio.lowlevel.checkpoint()


def _vector(item: str | Sequence[int], dimensions: int) -> bytes:
    """Return a vector of length 1."""
    seed = msgspec.json.encode(item)
    numbers = [
        int.from_bytes(blake2b(seed, digest_size=4, salt=at.to_bytes(4, "big")).digest(), "big")
        for at in range(dimensions)
    ]
    floats = [number / 2**31 - 1 for number in numbers]
    length = math.hypot(*floats) or 1.0
    return msgspec.json.encode([number / length for number in floats])


class Performance(Reading):
    """One answer, played step by step."""

    def __init__(self, steps: Iterator[Step], dropped: tuple[str, ...] = ()) -> None:
        self.notes = Notes(dropped)
        self._steps = steps
        self._first: Deltas | None = None

    async def __aenter__(self) -> "Performance":
        self._first = await self._play()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._steps = iter(())

    async def __anext__(self) -> Deltas:
        first, self._first = self._first, None
        deltas = await self._play() if first is None else first
        if deltas is None:
            raise StopAsyncIteration
        return deltas

    async def _play(self) -> Deltas | None:
        for step in self._steps:
            match step:
                case Pause(seconds):
                    await trio.sleep(seconds)
                case Failure():
                    raise TurnFailed(step)
                case _:
                    await trio.lowlevel.checkpoint()
                    return step
        return None


def _refuse_impossible(prompt: Prompt) -> None:
    if prompt.sampling.choices != 1:
        raise _unsupported("n", "`n` must be 1: a script gives one answer.")
    if prompt.sampling.top_logprobs is not None:
        raise _unsupported("logprobs", "`logprobs` is not supported: a script has no likelihoods.")
    modalities: object = msgspec.json.decode(prompt.extra.get("modalities", b"null"))
    if "audio" in items(modalities):
        raise _unsupported("modalities", "`modalities` must be text alone: a script is text.")


def _unsupported(param: str, message: str) -> TurnFailed:
    return TurnFailed.of(
        FailureKind.INVALID_REQUEST, message, param=param, code="unsupported_value"
    )


def _dropped(prompt: Prompt) -> tuple[str, ...]:
    """Return the fields that a script does not look at."""
    sampling = [
        name
        for name in Sampling.__struct_fields__
        if name not in _HONOURED and getattr(prompt.sampling, name) not in {None, ()}
    ]
    extra = [name for name, raw in prompt.extra.items() if raw != b"null"]
    parallel = [] if prompt.parallel_tool_calls is None else ["parallel_tool_calls"]
    return (*sampling, *parallel, *sorted(set(extra) - {"modalities"}))
