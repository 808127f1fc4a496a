"""Rules of a response's events, whatever a model says: numbered, nested, the same however they came."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import (
    Delta,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.failure import Failure, FailureKind
from greenroom.actors.turn import Route, Served, TurnAccepted, TurnEnded, TurnStarted
from greenroom.http.responses.asked import Asked, decode_asked
from greenroom.http.responses.event_objects import Event
from greenroom.http.responses.ids import ItemId, item_of
from greenroom.http.responses.log import Log

TURN = "0" * 24
TEXT = st.text(min_size=1, max_size=3)


@st.composite
def answers(draw: st.DrawFn) -> tuple[Delta, ...]:
    """What a channel may bring: calls count up, fragments are of the call that is open."""
    deltas: list[Delta] = []
    calls = 0
    for kind in draw(st.lists(st.sampled_from("trsca"), max_size=12)):
        match kind:
            case "t":
                deltas.append(TextDelta(draw(TEXT)))
            case "r":
                deltas.append(RefusalDelta(draw(TEXT)))
            case "s":
                deltas.append(ReasoningDelta(draw(TEXT)))
            case "c":
                custom = draw(st.booleans())
                deltas.append(ToolCallStart(calls, f"c{calls}", "look", custom))
                calls += 1
            case _ if calls:
                deltas.append(ToolCallArguments(calls - 1, draw(TEXT)))
            case _:
                continue
    return tuple(deltas)


def batches(deltas: Sequence[Delta], cuts: Sequence[int]) -> Iterator[tuple[Delta, ...]]:
    edges = sorted({0, len(deltas), *(cut % (len(deltas) + 1) for cut in cuts)})
    for first, last in pairwise(edges):
        yield tuple(deltas[first:last])


def told(
    asked: Asked, parts: Iterator[tuple[Delta, ...]], outcome: TurnEnded | Failure
) -> list[Event]:
    log = Log(asked)
    events = log.accept(TurnAccepted(TURN, "m", 7))
    events += log.start(TurnStarted(TURN, Served(Route("p", "m"), 1)))
    for part in parts:
        events += log.progress(part)
    events += log.fail(outcome) if isinstance(outcome, Failure) else log.end(outcome)
    return events


OUTCOMES = st.sampled_from(
    [
        TurnEnded(FinishReason.STOP, Usage(1, 1), ended=9.0),
        TurnEnded(FinishReason.LENGTH, Usage(1, 1), ended=9.0),
        Failure(FailureKind.UPSTREAM_ERROR, "It broke."),
    ]
)


@given(answers(), st.lists(st.integers(0, 20)), OUTCOMES, st.booleans(), st.booleans())
def test_events_are_those_of_an_order(
    deltas: tuple[Delta, ...],
    cuts: list[int],
    outcome: TurnEnded | Failure,
    background: bool,
    summarises: bool,
) -> None:
    asked = Asked(background=background, summarises=summarises)
    events = told(asked, batches(deltas, cuts), outcome)
    assert events == told(asked, iter([deltas]), outcome), "however they were batched"
    read: list[Any] = [msgspec.json.decode(msgspec.json.encode(event)) for event in events]
    assert [event["sequence_number"] for event in read] == list(range(len(read)))
    items: dict[int, Any] = {}
    done: dict[int, Any] = {}
    text: dict[int, str] = {}
    for event in read[2:-1]:
        kind = event["type"].removeprefix("response.")
        match kind:
            case "in_progress":
                continue
            case "output_item.added":
                assert event["output_index"] == len(items), "items come in order"
                assert event["item"]["status"] == "in_progress"
                items[len(items)] = event["item"]
            case "output_item.done":
                done[event["output_index"]] = event["item"]
            case _:
                at = event["output_index"]
                assert event["item_id"] == items[at]["id"]
                assert at not in done, "nothing is said of what is done"
                if kind.endswith(".delta"):
                    text[at] = text.get(at, "") + event["delta"]
    output = read[-1]["response"]["output"]
    assert [item["id"] for item in output] == [item["id"] for item in items.values()]
    assert len({item["id"] for item in output}) == len(output)
    for at, item in enumerate(output):
        assert text_in(item) == text.get(at, "")
        if not isinstance(outcome, Failure):
            assert done[at] == item


def text_in(item: dict[str, Any]) -> str:
    parts = [*item.get("content", ()), *item.get("summary", ())]
    said = "".join(part.get("text", "") + part.get("refusal", "") for part in parts)
    return said + str(item.get("arguments", "")) + str(item.get("input", ""))


@given(
    st.sampled_from(["msg", "rs", "fc", "ctc", "fco", "ctco"]),
    st.from_regex(r"[0-9a-f]{24}|i[0-9a-f]{23}", fullmatch=True),
    st.none() | st.integers(0, 10**17),
    st.integers(0, 10**5),
)
def test_an_items_id_is_taken_apart_as_it_was_made(
    kind: str, turn: str, seq: int | None, index: int
) -> None:
    id_ = ItemId(kind, turn, seq, index)
    assert item_of(str(id_)) == id_


@given(st.text())
def test_another_text_is_no_items_id_or_is_that_of_one(text: str) -> None:
    found = item_of(text)
    assert found is None or found.turn in text


def test_what_was_kept_with_a_turn_is_read_again() -> None:
    asked = Asked(background=True, metadata={"a": "b"}, temperature=0.5)
    assert decode_asked(asked.encode()) == asked
    for other in (None, b'{"api":"completions"}', b"{}", b"no json"):
        assert decode_asked(other) is None
