"""Every tool call has exactly one result, and a client never has its history doubled or lost."""

import pytest

from greenroom.actors.entries import (
    AssistantEntry,
    MediaPart,
    TextPart,
    ToolCall,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
)
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.transcript import ABANDONED, WINDOW_REACH, Plan, Transcript
from tests.actors.conftest import (
    as_sent,
    calls,
    carry_out,
    open_calls,
    planned,
    result,
    said,
    user,
)

Entries = tuple[TranscriptEntry, ...]


def after(
    transcript: Transcript, *entries: TranscriptEntry, answer: AssistantEntry | None = None
) -> Entries:
    """Carry out the turn that sends `entries` and return the transcript after it."""
    plan = transcript.reconcile(as_sent(*entries))
    assert not open_calls(planned(transcript, plan))
    carry_out(transcript, plan, said("new answer") if answer is None else answer)
    open_calls(transcript.entries)
    return transcript.entries


def refused(transcript: Transcript, *entries: TranscriptEntry) -> TurnFailed:
    before = transcript.entries
    with pytest.raises(TurnFailed) as caught:
        transcript.reconcile(as_sent(*entries))
    assert caught.value.failure.kind is FailureKind.INVALID_REQUEST
    assert transcript.entries == before
    return caught.value


NEW = said("new answer")
TWO = (user("one"), said("1"), user("two"), said("2"))
LOOKED = (user("look"), calls("c1", "c2"), result("c1"), result("c2"), said("done"))


# What is new and what is known


@pytest.mark.parametrize(
    ("has", "sent", "becomes"),
    [
        pytest.param((), (user("one"),), (user("one"), NEW), id="the first message"),
        pytest.param(TWO, (user("x"),), (*TWO, user("x"), NEW), id="what is new"),
        pytest.param(TWO, (*TWO, user("x")), (*TWO, user("x"), NEW), id="the whole again"),
        pytest.param(
            (), (*TWO, user("x")), (*TWO, user("x"), NEW), id="a conversation from elsewhere"
        ),
        pytest.param(TWO, TWO[:3], (*TWO[:3], NEW), id="the last answer anew"),
        pytest.param(
            TWO, (*TWO[:2], user("edited")), (*TWO[:2], user("edited"), NEW), id="an edited message"
        ),
        pytest.param(
            TWO,
            (*TWO[:2], user("x"), user("y")),
            (*TWO[:2], user("x"), user("y"), NEW),
            id="two new",
        ),
        pytest.param(
            TWO,
            (user("one"), said("1, edited"), user("two"), said("2"), user("x")),
            (user("one"), said("1, edited"), user("two"), said("2"), user("x"), NEW),
            id="an edited answer",
        ),
        pytest.param(TWO, (*TWO[2:], user("x")), (*TWO, user("x"), NEW), id="a window"),
        pytest.param(
            TWO, (said("2"), user("x")), (*TWO, user("x"), NEW), id="the last answer and new"
        ),
        pytest.param(
            (*TWO, user("three"), said("3")),
            (*TWO[2:], user("three")),
            (*TWO, user("three"), NEW),
            id="the last answer anew, in a window",
        ),
        pytest.param(
            (*TWO, user("three"), said("3")),
            (said("1"), user("edited")),
            (*TWO[:2], user("edited"), NEW),
            id="an edited message, in a window",
        ),
        pytest.param(
            (*LOOKED, user("two"), said("2")),
            (calls("c1", "c2"), result("c1"), result("c2", "other")),
            (*LOOKED[:3], result("c2", "other"), NEW),
            id="another result, in a window",
        ),
        pytest.param(
            LOOKED[:2],
            (calls("c1", "c2"), *LOOKED[2:4]),
            (*LOOKED[:4], NEW),
            id="a window with the results",
        ),
        pytest.param(LOOKED[:2], LOOKED[2:4], (*LOOKED[:4], NEW), id="the results alone"),
        pytest.param(LOOKED[:2], LOOKED[:4], (*LOOKED[:4], NEW), id="the whole and the results"),
        pytest.param(LOOKED, LOOKED[:4], (*LOOKED[:4], NEW), id="the answer to the results anew"),
        pytest.param(
            LOOKED,
            (*LOOKED[:2], result("c1"), result("c2", "other")),
            (*LOOKED[:2], result("c1"), result("c2", "other"), NEW),
            id="another result",
        ),
        pytest.param(TWO, TWO, (*TWO, NEW), id="go on from the answer"),
        pytest.param(
            (), (said("Welcome."), user("x")), (said("Welcome."), user("x"), NEW), id="a greeting"
        ),
    ],
)
def test_a_request_becomes(has: Entries, sent: Entries, becomes: Entries) -> None:
    assert after(Transcript(has), *sent) == becomes


def test_a_request_without_any_answer_is_all_new_even_if_it_was_said_before() -> None:
    assert after(Transcript(TWO), user("one")) == (*TWO, user("one"), NEW)


def test_who_begins_like_the_conversation_tells_all_of_it_and_not_a_window() -> None:
    has = (user("hi"), said("1"), user("hi"), said("2"))
    assert after(Transcript(has), *has[2:], user("x")) == (user("hi"), said("2"), user("x"), NEW)


def test_a_window_over_an_abandoned_call_is_a_window_all_the_same() -> None:
    transcript = Transcript((user("a"), said("1"), user("look"), calls("c1")))
    has = after(transcript, user("never mind"))
    window = (user("look"), calls("c1"), user("never mind"), NEW)
    assert after(transcript, *window, user("x")) == (*has, user("x"), NEW)


def test_a_window_that_could_stand_in_two_places_stands_in_the_last() -> None:
    has = (*TWO, user("hi"), said("yes"), user("three"), said("3"), user("hi"), said("yes"))
    window = (user("hi"), said("yes"))
    assert after(Transcript((*has, *TWO)), *window, user("x")) == (*has, user("x"), NEW)


def test_a_window_is_not_looked_for_everywhere_as_that_might_take_long() -> None:
    has = tuple(entry for i in range(WINDOW_REACH) for entry in (user(f"q{i}"), said(f"a{i}")))
    near, far = has[-WINDOW_REACH - 1], has[-WINDOW_REACH - 3]
    assert len(after(Transcript(has), near, user("x"))) == len(has) - WINDOW_REACH + 2
    assert after(Transcript(has), far, user("x")) == (far, user("x"), NEW)


def test_a_window_that_is_the_conversations_beginning_as_well_is_that_beginning() -> None:
    has = (user("hi"), said("yes"), user("hi"), said("yes"))
    assert after(Transcript(has), *has[:2], user("x")) == (*has[:2], user("x"), NEW)


# One entry, spelled in two ways


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (UserEntry("a"), UserEntry((TextPart("a"),))),
        (UserEntry((TextPart("a"),)), UserEntry("a")),
        (UserEntry("a"), UserEntry("a", name="Ann")),
        (AssistantEntry("a"), AssistantEntry(" a\n")),
        (AssistantEntry(""), AssistantEntry(None)),
        (AssistantEntry(None, refusal="no"), AssistantEntry("")),
    ],
)
def test_an_entry_is_known_however_it_is_spelled(
    ours: TranscriptEntry, theirs: TranscriptEntry
) -> None:
    transcript = Transcript((ours, said("1"), user("b"), said("2")))
    plan = transcript.reconcile(as_sent(theirs, said("1"), user("b"), said("2"), user("x")))
    assert plan == Plan(4, (user("x"),))


@pytest.mark.parametrize(
    "theirs",
    [
        '{"city":"Oslo","days":[1,2]}',
        '{ "days": [1, 2], "city": "Oslo" }',
        '{"city": "\\u004fslo", "days": [1, 2]}',
    ],
)
def test_a_call_is_known_however_its_arguments_are_spelled(theirs: str) -> None:
    def call(arguments: str) -> AssistantEntry:
        return AssistantEntry(None, (ToolCall("c1", "weather", arguments),))

    ours = '{"city": "Oslo", "days": [1, 2]}'
    transcript = Transcript((user("a"), said("1"), user("b"), call(ours)))
    assert transcript.reconcile(as_sent(call(theirs), result("c1"))) == Plan(4, (result("c1"),))


def test_no_arguments_and_an_empty_object_are_the_same() -> None:
    def call(arguments: str) -> AssistantEntry:
        return AssistantEntry(None, (ToolCall("c1", "now", arguments),))

    transcript = Transcript((user("a"), call("")))
    assert transcript.reconcile(as_sent(user("a"), call("{}"), result("c1"))).keep == 2


@pytest.mark.parametrize(
    "theirs",
    [
        ToolCall("c2", "f", '{"a": 1}'),
        ToolCall("c1", "g", '{"a": 1}'),
        ToolCall("c1", "f", '{"a": 2}'),
        ToolCall("c1", "f", '{"a": 1'),
        ToolCall("c1", "f", '{"a":1}', "custom"),
        ToolCall("c1", "f", "[" * 100_000),
        ToolCall("c1", "f", "\ud800"),
    ],
)
def test_another_call_is_another_answer(theirs: ToolCall) -> None:
    ours = AssistantEntry(None, (ToolCall("c1", "f", '{"a": 1}'),))
    transcript = Transcript((user("a"), ours))
    sent = as_sent(user("a"), AssistantEntry(None, (theirs,)), result(theirs.id))
    assert transcript.reconcile(sent).keep == 1


def test_an_answer_with_fewer_or_more_calls_is_another_answer() -> None:
    for ours, theirs in (("c1", "c2"), ("c1",)), (("c1",), ("c1", "c2")):
        copy: Entries = (user("a"), calls(*theirs), *(result(id_) for id_ in theirs))
        assert after(Transcript((user("a"), calls(*ours))), *copy) == (*copy, NEW)


def test_results_in_another_order_are_other_results() -> None:
    copy = (*LOOKED[:2], LOOKED[3], LOOKED[2], LOOKED[4])
    assert after(Transcript(LOOKED), *copy, user("x")) == (*copy, user("x"), NEW)


def test_free_text_for_a_custom_tool_is_compared_as_it_is() -> None:
    def call(text: str) -> AssistantEntry:
        return AssistantEntry(None, (ToolCall("c1", "sh", text, "custom"),))

    transcript = Transcript((user("a"), call("[1,2]")))
    assert transcript.reconcile(as_sent(user("a"), call("[1,2]"), result("c1"))).keep == 2
    assert transcript.reconcile(as_sent(user("a"), call("[1, 2]"), result("c1"))).keep == 1


def test_an_image_is_compared_by_what_was_sent() -> None:
    def picture(raw: bytes) -> UserEntry:
        return UserEntry((TextPart("see"), MediaPart("image_url", raw)))

    transcript = Transcript((picture(b"1"), said("1")))
    assert transcript.reconcile(as_sent(picture(b"1"), said("1"), user("x"))).keep == 2
    assert transcript.reconcile(as_sent(picture(b"2"), said("1"), user("x"))).keep == 0


# Tool calls and their results


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param((result("c1"),), id="one of two"),
        pytest.param((result("c1"), result("c1"), result("c2")), id="one twice"),
        pytest.param((result("c1"), result("c2"), result("c3")), id="one that nobody asked for"),
        pytest.param((result("c3"),), id="foreign"),
        pytest.param((user("x"), result("c1")), id="too late"),
        pytest.param((user("look"), calls("c1", "c2")), id="the call again and nothing else"),
        pytest.param((calls("c1", "c2"),), id="the call alone"),
        pytest.param((), id="nothing"),
    ],
)
def test_open_calls_refuse(sent: Entries) -> None:
    refused(Transcript(LOOKED[:2]), *sent)


def test_a_result_without_a_call_is_refused_with_its_place() -> None:
    failure = refused(Transcript(), user("x"), result("c1")).failure
    assert failure.param == "messages[1].tool_call_id"
    assert "'c1'" in failure.message


def test_calls_that_a_client_tells_of_must_have_their_results() -> None:
    failure = refused(Transcript(), user("a"), calls("c1", "c2"), result("c2"), user("x")).failure
    assert failure.param == "messages[3]"
    assert failure.message.endswith("had no result: c1.")


def test_the_results_of_parallel_calls_may_come_in_any_order() -> None:
    has = after(Transcript(LOOKED[:2]), result("c2"), result("c1"))
    assert has == (*LOOKED[:2], result("c2"), result("c1"), NEW)


def test_whoever_goes_on_without_a_result_abandons_the_call() -> None:
    has = after(Transcript(LOOKED[:2]), user("never mind"))
    synthetic = [ToolEntry(id_, ABANDONED, synthetic=True) for id_ in ("c1", "c2")]
    assert has == (*LOOKED[:2], *synthetic, user("never mind"), NEW)


def test_of_parallel_calls_some_may_be_answered_and_the_others_abandoned() -> None:
    has = after(Transcript(LOOKED[:2]), result("c2"), user("enough"))
    synthetic = ToolEntry("c1", ABANDONED, synthetic=True)
    assert has == (*LOOKED[:2], result("c2"), synthetic, user("enough"), NEW)


def test_a_client_that_knows_nothing_of_a_synthetic_result_still_sends_a_known_conversation() -> (
    None
):
    transcript = Transcript(LOOKED[:2])
    has = after(transcript, result("c2"), user("enough"))
    copy = (*LOOKED[:2], result("c2"), user("enough"), NEW)
    assert after(transcript, *copy, user("x")) == (*has, user("x"), NEW)


def test_a_synthetic_result_is_stepped_over_by_who_goes_on_otherwise_behind_it() -> None:
    transcript = Transcript(LOOKED[:2])
    after(transcript, result("c2"), user("enough"))
    otherwise = (*LOOKED[:2], result("c2"), user("enough"), said("edited"), user("x"))
    assert transcript.reconcile(as_sent(*otherwise)) == Plan(5, (said("edited"), user("x")))


def test_a_result_that_comes_after_all_takes_the_place_of_the_synthetic_one() -> None:
    transcript = Transcript(LOOKED[:2])
    after(transcript, result("c2"), user("enough"))
    late = (*LOOKED[:2], result("c2"), result("c1"), user("enough"), NEW)
    assert after(transcript, *late, user("x")) == (*late, user("x"), NEW)


def test_the_message_after_an_abandoned_call_can_be_edited() -> None:
    transcript = Transcript(LOOKED[:2])
    after(transcript, result("c2"), user("enough"))
    synthetic = ToolEntry("c1", ABANDONED, synthetic=True)
    has = after(transcript, *LOOKED[:2], result("c2"), user("edited"))
    # Without an answer behind the calls, the client's result is new again, and the same.
    assert has == (*LOOKED[:2], result("c2"), synthetic, user("edited"), NEW)


def test_ids_may_be_used_again_by_later_calls() -> None:
    transcript = Transcript()
    after(transcript, user("a"), answer=calls("0"))
    after(transcript, result("0"), answer=calls("0"))
    after(transcript, result("0", "more"))
    assert len(after(transcript, *transcript.entries, user("x"))) == 8


# Interrupted answers


CUT = AssistantEntry("Once upon a ti", interrupted=True)


@pytest.mark.parametrize(
    "reached", ["Once upon a ti", "Once upon", "Once upon ", "Once upon a ti [stopped]", "", None]
)
def test_a_client_has_as_much_of_an_interrupted_answer_as_reached_it(reached: str | None) -> None:
    has = (user("tell"), CUT)
    copy = (user("tell"), AssistantEntry(reached))
    assert after(Transcript(has), *copy, user("go on")) == (*has, user("go on"), NEW)


def test_an_interrupted_answer_that_the_client_tells_otherwise_is_cut() -> None:
    transcript = Transcript((user("tell"), CUT))
    copy = (user("tell"), said("Never"))
    assert after(transcript, *copy, user("x")) == (*copy, user("x"), NEW)
    transcript = Transcript((user("tell"), CUT))
    copy = (user("tell"), calls("c1", text="Once"))
    assert after(transcript, *copy, result("c1")) == (*copy, result("c1"), NEW)


def test_a_client_that_threw_an_interrupted_answer_away_does_not_have_its_history_doubled() -> None:
    has = (*TWO, user("tell"), CUT)
    expected = (*TWO, user("tell"), user("x"), NEW)
    assert after(Transcript(has), *TWO, user("tell"), user("x")) == expected


@pytest.mark.parametrize("more", [(), (user("x"),)], ids=["tries again", "goes on"])
def test_not_even_if_it_was_the_first_answer_and_the_client(more: Entries) -> None:
    assert after(Transcript((user("tell"), CUT)), user("tell"), *more) == (user("tell"), *more, NEW)


def test_what_is_new_after_an_interrupted_first_answer_follows_it() -> None:
    one = (user("tell"), CUT)
    assert after(Transcript(one), user("go on")) == (*one, user("go on"), NEW)
    two = (*one, user("go on"), CUT)
    assert after(Transcript(two), user("tell")) == (*two, user("tell"), NEW)
