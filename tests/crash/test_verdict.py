"""What is wrong is found: each way of being so in a transcript, in a prompt and in the calls."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import pytest

from tests.crash.ledger import Call, Ledger, Told, Turn
from tests.crash.verdict import Said, Wrong, of_calls, of_prompts, of_transcript
from tests.upstreams.connection import Request
from tests.upstreams.exchange import Record
from tests.upstreams.speech import Heard, Message

CALLS = (Call("call-1", "{}"), Call("call-2", "{}"))


class Story(NamedTuple):
    """Words, then two calls and their results; then an answer that its client never saw the end of."""

    turns: list[Turn]
    said: list[Said]


@pytest.fixture
def story() -> Story:
    ledger = Ledger()
    words = ledger.ask(1, "s", 0)
    words.told = Told(words.answer)
    calls = ledger.ask(1, "s", 0, wants=2)
    calls.told = Told("", CALLS)
    results = ledger.answer_calls(calls, 0)
    results.told = Told(results.answer)
    cut = ledger.ask(1, "s", 0)
    said = [
        Said("user", words.adds[0]),
        Said("assistant", words.answer),
        Said("user", calls.adds[0]),
        Said("assistant", "", ("call-1", "call-2")),
        Said("tool", results.adds[0], answers="call-1"),
        Said("tool", results.adds[1], answers="call-2"),
        Said("assistant", results.answer),
        Said("user", cut.adds[0]),
        Said("assistant", cut.answer[:9], is_cut=True),
    ]
    return Story(ledger.all, said)


Change = Callable[[list[Said]], list[Said]]


def changed(place: int, **fields: object) -> Change:
    return lambda said: [
        *said[:place],
        msgspec.structs.replace(said[place], **fields),
        *said[place + 1 :],
    ]


def without(*places: int) -> Change:
    return lambda said: [one for place, one in enumerate(said) if place not in places]


def in_order(*places: int) -> Change:
    return lambda said: [said[place] for place in places]


def test_a_good_story_has_nothing_wrong(story: Story) -> None:
    assert list(of_transcript(*story)) == []
    assert list(of_transcript(story.turns, story.said[:7])) == []


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (without(0, 1), Wrong.LOST),
        (without(6), Wrong.LOST),
        (changed(1, is_cut=True), Wrong.LOST),
        (changed(3, calls=("call-1", "call-3")), Wrong.LOST),
        (in_order(2, 3, 4, 5, 6, 0, 1, 7, 8), Wrong.LOST),
        (in_order(0, 1, *range(9)), Wrong.DOUBLED),
        (in_order(0, 1, *range(1, 9)), Wrong.DOUBLED),
        (changed(7, text="Nobody said that."), Wrong.INVENTED),
        (changed(8, text="Another answer."), Wrong.INVENTED),
        (changed(8, is_cut=False), Wrong.INVENTED),
        (without(4, 5, 6), Wrong.UNANSWERED),
        (without(4), Wrong.UNANSWERED),
        (without(3), Wrong.UNANSWERED),
        (changed(5, answers="call-1"), Wrong.UNANSWERED),
    ],
)
def test_each_wrong_of_a_transcript_is_found(story: Story, change: Change, wrong: Wrong) -> None:
    found = {finding.wrong for finding in of_transcript(story.turns, change(story.said))}
    assert wrong in found


def test_a_prompt_without_what_was_told_before_it_is_found(story: Story) -> None:
    first, calls = story.turns[:2]
    told = [Message("user", first.adds[0]), Message("assistant", first.answer)]
    new = Message("user", calls.adds[0])
    whole, short = asked(*told, new), asked(new)
    assert list(of_prompts(story.turns, {calls: [whole]})) == []
    assert [one.wrong for one in of_prompts(story.turns, {calls: [whole, short]})] == [Wrong.LOST]


def test_calls_of_the_model_that_no_kill_explains_are_found(story: Story) -> None:
    first = story.turns[0]
    record = asked(Message("user", first.adds[0]))
    assert list(of_calls([first], {first: [record]})) == []
    assert [one.wrong for one in of_calls([first], {first: [record] * 2})] == [Wrong.ASKED_TWICE]
    assert [one.wrong for one in of_calls([first], {})] == [Wrong.INVENTED]
    first.ended = first.begun + 1
    assert list(of_calls([first], {first: [record] * 2})) == []


def asked(*messages: Message) -> Record:
    """What the upstream keeps of a request that it answered."""
    record = Record("openai", Request("POST", "/", {}, b"{}"))
    record.heard = Heard("m", "", messages, stream=False)
    record.is_said = True
    return record
