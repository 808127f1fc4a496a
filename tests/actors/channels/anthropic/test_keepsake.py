"""Thinking goes back where it came from, unmodified and in its place, and nowhere else."""

import msgspec
import pytest

from greenroom.actors.answer import Answer
from greenroom.actors.channels.anthropic.adapter import AnthropicAdapter
from greenroom.actors.channels.anthropic.content import Block
from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    Keepsake,
    Prompt,
    SystemEntry,
    Tool,
    ToolEntry,
    UserEntry,
)
from greenroom.actors.settings import ProviderSettings
from tests.actors.channels.anthropic.conftest import said, start, stop, thought, used
from tests.actors.channels.conftest import Json

OLD, NEW = "claude-opus-4-5", "claude-opus-5-5"
THINK = {"reasoning_effort": b'"low"'}
ASK = (UserEntry("What is it like in Paris?"),)
TOOLS = (Tool("f", b'{"type": "function", "function": {"name": "f"}}'),)


def adapter(provider: str = "local") -> AnthropicAdapter:
    return AnthropicAdapter(ProviderSettings(provider, "anthropic-messages", "https://x"))


def prompt(*entries: Entry, model: str = NEW, **more: object) -> Prompt:
    plain = Prompt(model, (*ASK, *entries), TOOLS, extra=THINK)
    return msgspec.structs.replace(plain, **more)


def answered(asked: Prompt, stream: bytes, provider: str = "local") -> AssistantEntry:
    """Return the entry that an answer leaves."""
    decoder = adapter(provider).decoder(asked)
    answer = Answer()
    answer.take(decoder.feed(stream) + decoder.end())
    entry = answer.kept()
    assert entry is not None
    assert entry.keepsake is not None
    return entry


def sent_back(asked: Prompt, at: int = 1, provider: str = "local") -> list[Block]:
    """Return the blocks of the message at a place of a request."""
    body = msgspec.json.decode(adapter(provider).request(asked).body)
    return msgspec.convert(body["messages"][at]["content"], list[Block])


def kinds(blocks: list[Block]) -> str:
    return " ".join(str(block["type"]) for block in blocks)


CALLS = (
    start()
    + thought(0, "Let me see.", signature="c2lnMQ==")
    + said(1, "Wait. ")
    + thought(2, signature="c2lnMg==")
    + used(3, "toolu_1", "f", '{"a": 1}')
    + said(4, "And.")
    + used(5, "toolu_2", "f")
    + stop("tool_use")
)
RESULTS = (ToolEntry("toolu_1", "rain"), ToolEntry("toolu_2", "snow"))


@pytest.mark.parametrize("model", [OLD, NEW, "claude-opus-4-8", "kimi-k2"])
def test_an_answers_blocks_go_back_as_they_came(model: str) -> None:
    entry = answered(prompt(model=model), CALLS)
    assert sent_back(prompt(entry, *RESULTS, model=model)) == [
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnMQ=="},
        {"type": "text", "text": "Wait. "},
        {"type": "thinking", "thinking": "", "signature": "c2lnMg=="},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
        {"type": "text", "text": "And."},
        {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}},
    ]


def test_redacted_thinking_goes_back_too() -> None:
    redacted = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
    body = {"type": "message", "content": [redacted, {"type": "text", "text": "Hi"}]}
    entry = answered(prompt(), msgspec.json.encode(body))
    assert sent_back(prompt(entry, UserEntry("b")))[0] == redacted


def test_an_answer_does_not_end_in_thinking() -> None:
    stream = start() + said(0, "Hi") + thought(1, "Hm.") + stop("max_tokens")
    entry = answered(prompt(), stream)
    assert sent_back(prompt(entry, UserEntry("b"))) == [{"type": "text", "text": "Hi"}]


def test_thinking_is_for_the_provider_and_the_model_that_thought() -> None:
    entry = answered(prompt(model=OLD), CALLS)
    plain = "text tool_use tool_use"
    assert "thinking" in kinds(sent_back(prompt(entry, *RESULTS, model=OLD)))
    assert kinds(sent_back(prompt(entry, *RESULTS, model="claude-opus-4-1"))) == plain
    assert kinds(sent_back(prompt(entry, *RESULTS, model=OLD), provider="other")) == plain


@pytest.mark.parametrize(
    "keepsake", [Keepsake("other", b"{}"), Keepsake("anthropic-messages", b"no json"), None]
)
def test_what_is_not_understood_is_left_out(keepsake: Keepsake | None) -> None:
    entry = AssistantEntry("Hi", keepsake=keepsake)
    assert sent_back(prompt(entry, UserEntry("b"))) == [{"type": "text", "text": "Hi"}]


def test_a_model_that_is_not_to_think_is_not_sent_any() -> None:
    entry = answered(prompt(model="claude-opus-4-8"), CALLS)
    for extra in ({}, {"reasoning_effort": b'"none"'}):
        asked = prompt(entry, *RESULTS, model="claude-opus-4-8", extra=extra)
        assert "thinking" not in kinds(sent_back(asked))


def test_a_budget_goes_with_calls_that_were_thought_about() -> None:
    entry = answered(prompt(model=OLD), CALLS)
    body = msgspec.json.decode(adapter().request(prompt(entry, *RESULTS, model=OLD)).body)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}


def test_words_that_no_longer_fit_come_after_the_thinking() -> None:
    entry = msgspec.structs.replace(answered(prompt(), CALLS), text="Else")
    blocks = sent_back(prompt(entry, *RESULTS))
    assert kinds(blocks) == "thinking thinking text tool_use tool_use"
    assert blocks[2] == {"type": "text", "text": "Else"}


CHANGES: dict[str, Json] = {
    "instructions": {"entries": (SystemEntry("Be brief."), *ASK)},
    "tools": {"tools": ()},
    "words to the model": {"extra": THINK | {"response_format": b'{"type": "json_object"}'}},
    "what was asked": {"entries": (UserEntry("What is it like in Rome?"),)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_newest_models_get_thinking_back_only_after_what_it_came_after(change: str) -> None:
    for model, comes in ((NEW, False), (OLD, True)):
        entry = answered(prompt(model=model), CALLS)
        same = prompt(entry, *RESULTS, model=model)
        assert "thinking" in kinds(sent_back(same))
        changed = msgspec.structs.replace(prompt(model=model), **CHANGES[change])
        later = msgspec.structs.replace(changed, entries=(*changed.entries, entry, *RESULTS))
        assert ("thinking" in kinds(sent_back(later))) is comes


def test_what_changes_nothing_before_it_does_not_matter() -> None:
    entry = answered(prompt(), CALLS)
    later = prompt(entry, *RESULTS, extra={"reasoning_effort": b'"high"', "user": b'"u"'})
    assert "thinking" in kinds(sent_back(later))


def test_after_a_change_a_new_beginning_is_made() -> None:
    first = answered(prompt(), CALLS)
    brief = (SystemEntry("Be brief."), *ASK, first, *RESULTS)
    asked = prompt(entries=brief)
    second = answered(asked, start() + thought(0, "Hm.") + said(1, "Rain.") + stop())
    later = prompt(entries=(*brief, second, UserEntry("Sure?")))
    assert kinds(sent_back(later, 1)) == "text tool_use tool_use"
    assert kinds(sent_back(later, 3)) == "thinking text"
    as_before = prompt(first, *RESULTS, second, UserEntry("Sure?"))
    assert "thinking" in kinds(sent_back(as_before, 1))
    assert kinds(sent_back(as_before, 3)) == "text"


def test_an_answer_to_a_placeholder_keeps_its_thinking() -> None:
    greeted = (UserEntry("Hi"), AssistantEntry("Welcome."))
    entry = answered(prompt(entries=greeted), start() + thought(0, "Hm.") + said(1, "So.") + stop())
    later = prompt(entries=(*greeted, entry, UserEntry("b")))
    assert kinds(sent_back(later, 3)) == "thinking text"
