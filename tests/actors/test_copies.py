"""What a client can have of a conversation: answers in one piece, and nothing that is only ours."""

from greenroom.actors.copies import answer_in, shown, start_of_answer
from greenroom.actors.entries import (
    AssistantEntry,
    ToolCall,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
)
from tests.actors.conftest import calls, result, said, user

INNER = ToolCall("a", "look", "{}", inner=True)
OUTER = ToolCall("b", "look", "{}")
FOUND = ToolEntry("a", "found", inner=True)
WOKEN = UserEntry("[Reminder] x", inner=True)

STEPS: tuple[TranscriptEntry, ...] = (
    user("Where?"),
    AssistantEntry("Let me see.", (INNER,)),
    FOUND,
    AssistantEntry(None, (INNER,)),
    FOUND,
    said("Here."),
)


def test_the_steps_to_an_answer_are_one_with_it() -> None:
    assert [(item.entry, item.end) for item in shown(STEPS)] == [
        (user("Where?"), 1),
        (said("Let me see.\n\nHere."), 6),
    ]


def test_of_an_answer_with_calls_of_both_kinds_a_client_sees_its_own() -> None:
    both = (user("a"), AssistantEntry("Both.", (INNER, OUTER)), FOUND, result("b"))
    assert [(item.entry, item.end) for item in shown(both)] == [
        (user("a"), 1),
        (AssistantEntry("Both.", (OUTER,)), 3),
        (result("b"), 4),
    ]


def test_what_is_synthetic_is_in_no_copy_and_what_came_from_inside_need_not_be() -> None:
    entries = (
        user("a"),
        calls("c"),
        ToolEntry("c", "-", synthetic=True),
        WOKEN,
        said("b"),
        user("d"),
    )
    assert [(item.entry, item.inner) for item in shown(entries)] == [
        (user("a"), False),
        (calls("c"), False),
        (WOKEN, True),
        (said("b"), True),
        (user("d"), False),
    ]


def test_the_answer_of_a_turn_begins_with_its_first_step() -> None:
    assert start_of_answer(STEPS) == 1
    assert answer_in(STEPS) == said("Let me see.\n\nHere.")
    assert start_of_answer((user("a"), said("b"))) == 1
    assert start_of_answer((user("a"), calls("c"), result("c"), said("b"))) == 3
    waits = (user("a"), AssistantEntry("Both.", (INNER, OUTER)), FOUND)
    assert start_of_answer(waits) == 1
    assert answer_in(waits) == AssistantEntry("Both.", (OUTER,))
    assert start_of_answer(()) == 0
    assert answer_in((user("a"),)) is None
