"""Frames by themselves: a turn's numbers, and a request as HTTP has it."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import (
    Deltas,
    FinishReason,
    OfChoice,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.turn import (
    OnBusy,
    OnDisconnect,
    Route,
    Served,
    TurnAccepted,
    TurnEnded,
    TurnStarted,
)
from greenroom.http.errors import ApiError, invalid
from greenroom.http.exchange import Head
from greenroom.http.sender import read_request
from greenroom.http.ws import calls
from greenroom.http.ws.encoder import FrameEncoder
from greenroom.http.ws.ordering import body_of, head_of, in_our_words
from tests.http.conftest import scope_of

ENDED = TurnEnded(FinishReason.STOP, Usage(3, 2), cost=0.5)

TEXTS = st.text(max_size=5)
DELTAS = st.one_of(
    TEXTS.map(TextDelta),
    TEXTS.map(ReasoningDelta),
    TEXTS.map(RefusalDelta),
    TEXTS.map(lambda text: OfChoice(1, TextDelta(text))),
    st.just(ToolCallStart(0, "c", "f")),
    TEXTS.map(lambda text: ToolCallArguments(0, text)),
)


def told(batches: Sequence[Deltas], *, after: int = 0, fails: bool = False) -> list[Any]:
    encoder = FrameEncoder("r", after)
    encoder.accept(TurnAccepted("t", "m", 1))
    encoder.start(TurnStarted("t", Served(Route("p", "m"), 2), "m", 1))
    for batch in batches:
        encoder.progress(batch)
    if fails:
        encoder.fail_with(ApiError(503, "api_error", "It failed.", code="c"))
    else:
        encoder.end(ENDED)
    heard = [json.loads(frame) for frame in encoder.take()]
    assert encoder.take() == []
    return heard


@given(st.lists(DELTAS, max_size=12), st.data(), st.booleans())
def test_a_turn_has_the_same_numbers_however_it_came(
    deltas: list[Any], data: st.DataObject, fails: bool
) -> None:
    whole = told([tuple(deltas)], fails=fails)
    assert [frame["seq"] for frame in whole] == list(range(1, len(whole) + 1))
    assert whole == told([(delta,) for delta in deltas], fails=fails)
    after = data.draw(st.integers(0, len(whole) + 1))
    assert told([tuple(deltas)], after=after, fails=fails) == whole[after:]
    assert [frame["event"] == "chat.chunk" for frame in whole] == [True] * (len(whole) - 1) + [
        False
    ]


def test_the_last_frame_says_how_it_ended() -> None:
    (*_, done) = told([(TextDelta("x"),)])
    assert done["event"] == "chat.done"
    usage = done["payload"].pop("usage")
    assert usage["total_tokens"] == 5
    assert done["payload"] == {
        "finish_reason": "stop",
        "cost": 0.5,
        "provider": "p",
        "model": "p/m",
        "attempt": 2,
    }
    (*_, failed) = told([], fails=True)
    assert failed["payload"]["status"] == 503
    assert failed["payload"]["error"]["code"] == "c"


def test_every_parameter_becomes_the_header_that_http_has_for_it() -> None:
    asked = calls.SendParams(
        text="x",
        session="schlüssel",
        agent="beta",
        backend="p/m",
        idempotency_key="key",
        on_busy=OnBusy.REJECT,
        on_disconnect=OnDisconnect.CANCEL,
        fork_from="other@7",
        starting_after=3,
        pin=True,
    )
    connection = Head(scope_of("GET", "/v1/ws", {"api-key": "secret", "x-openclaw-model": "no"}))
    head = head_of(asked, connection)
    assert head.header(b"x-openclaw-session-key") == "schlüssel"
    assert head.header(b"x-openclaw-agent-id") == "beta"
    assert head.header(b"x-openclaw-model") == "p/m"
    assert head.header(b"authorization") == "Bearer secret"
    request = read_request(head, body_of(asked))
    sender = request.sender
    assert (sender.idempotency, sender.on_busy, sender.on_disconnect) == ("key", "reject", "cancel")
    assert sender.fork is not None
    assert (sender.fork.key, sender.fork.seq) == ("other", 7)
    assert (request.starting_after, request.pins) == (3, True)


def test_what_a_parameter_does_not_say_no_header_says() -> None:
    connection = Head(scope_of("GET", "/v1/ws", {"x-openclaw-session-key": "of the handshake"}))
    assert head_of(calls.SendParams(text="x"), connection).headers == {}


@pytest.mark.parametrize(
    ("param", "written", "place"),
    [
        ("messages[0].content", True, "params.request.messages[0].content"),
        ("messages", False, "params.text"),
        ("model", False, "params.model"),
        ("x-greenroom-on-busy", True, "params.on_busy"),
        ("params.text", True, "params.text"),
        (None, True, None),
    ],
)
def test_an_error_names_its_place_in_the_frame(
    param: str | None, written: bool, place: str | None
) -> None:
    error = in_our_words(invalid(f"`{param}` is wrong.", param), written=written)
    assert error.body.param == place
    if param is not None and param.startswith("x-"):
        assert error.body.message == f"`{place}` is wrong."
