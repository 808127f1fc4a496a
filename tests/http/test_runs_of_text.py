"""A run of text is encoded at once; nobody sees that, whatever stands beside it."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import (
    AnnotationsDelta,
    Delta,
    Deltas,
    FinishReason,
    Inside,
    LogprobsDelta,
    OfChoice,
    ReasoningDelta,
    Stamp,
    TextDelta,
    ToolCallStart,
    Usage,
)
from greenroom.actors.turn import Route, Served, TurnEnded, TurnStarted
from greenroom.http.completion import CompletionBuilder
from greenroom.http.translate import ChunkEncoder

STARTED = TurnStarted("1", Served(Route("scripted", "demo"), 1), "openclaw", 7)
STOP = TurnEnded(FinishReason.STOP, Usage(3, 5, 1, 2))
BESIDE: tuple[Delta, ...] = (
    Inside("tool.started", b"{}"),
    Stamp("fp", "flex"),
    LogprobsDelta(b'[{"token":"a"}]'),
    OfChoice(1, TextDelta("other")),
    ReasoningDelta("hm"),
    AnnotationsDelta(b'[{"type":"x"}]'),
    ToolCallStart(0, "c", "f"),
)

texts = st.builds(TextDelta, st.text(st.characters(exclude_categories=["Cs"]), max_size=4))
answers = st.lists(st.one_of(texts, texts, st.sampled_from(BESIDE)), max_size=12).filter(
    lambda deltas: sum(isinstance(delta, ToolCallStart) for delta in deltas) < 2
)
cuts = st.lists(st.integers(0, 12), max_size=4)


def batched(deltas: list[Delta], at: list[int]) -> list[Deltas]:
    edges = [0, *sorted(at), len(deltas)]
    return [tuple(deltas[a:b]) for a, b in pairwise(edges)]


def streamed(
    batches: list[Deltas],
    *,
    usage: bool,
    inside: bool = False,
    event_ids: bool = False,
    after: int = 0,
) -> bytes:
    encoder = ChunkEncoder(
        include_usage=usage, inside=inside, event_ids=event_ids, starting_after=after
    )
    encoder.start(STARTED)
    return b"".join([*map(encoder.progress, batches), encoder.end(STOP)])


@given(answers, cuts, st.booleans(), st.booleans())
def test_its_bytes_are_those_of_its_fragments_one_by_one(
    deltas: list[Delta], at: list[int], usage: bool, inside: bool
) -> None:
    told = streamed(batched(deltas, at), usage=usage, inside=inside)
    assert told == streamed([(delta,) for delta in deltas], usage=usage, inside=inside)
    # Where events have numbers, each is encoded by itself.
    numbered = streamed(batched(deltas, at), usage=usage, inside=inside, event_ids=True)
    assert told == re.sub(rb"^id: \d+\n", b"", numbered, flags=re.MULTILINE)


@given(answers, cuts, st.integers(0, 20))
def test_it_counts_as_many_events_as_it_has_fragments(
    deltas: list[Delta], at: list[int], after: int
) -> None:
    events = streamed(batched(deltas, at), usage=True).split(b"\n\n")[:-1]
    if after <= len(events):
        rest = streamed(batched(deltas, at), usage=True, after=after)
        assert rest == b"".join(event + b"\n\n" for event in events[after:])


@given(answers, cuts)
def test_a_whole_answer_is_that_of_its_fragments_one_by_one(
    deltas: list[Delta], at: list[int]
) -> None:
    def whole(batches: list[Deltas]) -> bytes:
        builder = CompletionBuilder()
        for batch in batches:
            builder.progress(batch)
        return builder.end(STARTED, STOP)

    assert whole(batched(deltas, at)) == whole([(delta,) for delta in deltas])
