"""Thinking in tags is told from text only where it opens the answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import ReasoningDelta, TextDelta
from greenroom.actors.channels.think_tags import ThinkTags

PIECES = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<thought>",
        "</thought>",
        "<",
        "</",
        "think",
        ">",
        " ",
        "\n",
        "a",
        "b c",
    ]
)


def read(*pieces: str) -> tuple[str, str]:
    """Return the thinking and the text of an answer that came in these pieces."""
    tags = ThinkTags()
    deltas = [delta for piece in pieces for delta in tags.feed(piece)] + tags.end()
    assert all(delta.text for delta in deltas)
    thinking = "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))
    return thinking, "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


@pytest.mark.parametrize(
    ("content", "thinking", "text"),
    [
        ("plain", "", "plain"),
        ("<think>hm</think>well", "hm", "well"),
        ("\n <think>hm</think>\n\nwell", "hm", "\n\nwell"),
        ("well, <think>hm</think>", "", "well, <think>hm</think>"),
        ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
        ("<think>never ends </thin", "never ends </thin", ""),
        ("<thin", "", "<thin"),
        ("<thought>hm</think></thought>well", "hm</think>", "well"),
        ("<thou", "", "<thou"),
        ("<thinker>", "", "<thinker>"),
        ("  \n", "", "  \n"),
        ("<think></think>", "", ""),
    ],
)
def test_only_an_opening_tag_counts(content: str, thinking: str, text: str) -> None:
    assert read(content) == (thinking, text)
    assert read(*content) == (thinking, text)


@given(st.lists(PIECES))
def test_cuts_change_nothing(pieces: list[str]) -> None:
    content = "".join(pieces)
    whole = read(content) if content else ("", "")
    assert read(*pieces) == whole
    assert read(*content) == whole


def test_text_is_not_held_back() -> None:
    assert ThinkTags().feed("Hel") == [TextDelta("Hel")]


def test_after_the_end_everything_is_text() -> None:
    tags = ThinkTags()
    assert tags.end() == []
    assert tags.feed("<think>") == [TextDelta("<think>")]
