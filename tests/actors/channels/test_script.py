"""The scripted model does what its docstring says, on any text, the same every time."""

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.answer import Answer
from greenroom.actors.channels.channel import (
    Finish,
    FinishReason,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.channels.script import Directions, Pause, Step, perform, read_directions
from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    MediaPart,
    Prompt,
    Sampling,
    SystemEntry,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
    UserEntry,
)
from greenroom.actors.failure import Failure, FailureKind
from tests.actors.conftest import calls, result, said, system, user

LOOK, NOW = Tool("look", b"{}"), Tool("now", b"{}")
NONE, AUTO, REQUIRED = (ToolChoice(mode, b"") for mode in ("none", "auto", "required"))


def play(*entries: Entry, **fields: object) -> list[Step]:
    return list(perform(msgspec.structs.replace(Prompt("m", entries), **fields)))


def answer(*entries: Entry, **fields: object) -> Answer:
    whole = Answer()
    for step in play(*entries, **fields):
        assert isinstance(step, tuple), step
        whole.take(step)
    return whole


def text(*entries: Entry, **fields: object) -> str | None:
    entry = answer(*entries, **fields).entry()
    assert entry is not None
    assert not entry.tool_calls
    return entry.text


def called(*entries: Entry, **fields: object) -> list[tuple[str, str]]:
    whole = answer(*entries, **fields)
    entry = whole.entry()
    assert entry is not None
    assert bool(entry.tool_calls) == (whole.reason is FinishReason.TOOL_CALLS)
    return [(call.name, call.arguments) for call in entry.tool_calls]


# Memory


def test_it_says_what_it_was_told_and_how_many_messages_it_has_heard() -> None:
    assert text(user("Hello there")) == (
        'You said: "Hello there" This is your 1st message in this session.'
    )
    assert text(system("s"), user("a"), said("b"), user("c"), said("d"), user("e")) == (
        'You said: "e" This is your 3rd message in this session.'
    )


@pytest.mark.parametrize(
    ("count", "ordinal"),
    [(2, "2nd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st"), (22, "22nd"),
     (23, "23rd"), (101, "101st"), (111, "111th"), (112, "112th")],
)  # fmt: skip
def test_it_counts_in_english(count: int, ordinal: str) -> None:
    assert f"your {ordinal} message" in (text(*[user("a")] * count) or "")


def test_it_reads_text_parts_and_no_pictures() -> None:
    parts = UserEntry((TextPart("a"), MediaPart("image_url", b"{}"), TextPart("[say yes]")))
    assert text(parts) == "yes"
    assert '"a\nb"' in (text(UserEntry((TextPart("a"), TextPart("b")))) or "")


def test_it_answers_even_when_it_was_told_nothing() -> None:
    assert text() == 'You said: "" This is your 0th message in this session.'
    assert text(system("s"))
    assert text(user("[say yes]"), said("no")) == "yes"


# Directions


def test_say_is_the_answer_exactly() -> None:
    assert text(user("Please [say  Good\n day, \u00fc {a} ] now")) == " Good\n day, \u00fc {a}"
    assert text(user("[say]")) == ""


def test_only_the_last_user_message_directs() -> None:
    assert text(user("[say one]"), said("one"), user("[say two]")) == "two"
    assert text(system("[say one]"), user("two")) != "one"


def test_the_last_of_two_equal_directions_counts() -> None:
    assert text(user("[say one][say two]")) == "two"


def test_wait_is_a_silence_before_the_first_word() -> None:
    assert play(user("[say a b][wait 2.5]"))[:3] == [
        Pause(2.5),
        (TextDelta("a"),),
        (TextDelta(" b"),),
    ]
    assert play(user("[fail][wait 3 s]"))[0] == Pause(3)
    assert play(user("[call look][wait 3s]"), tools=(LOOK,))[0] == Pause(3)


def test_slow_is_a_silence_before_each_further_word() -> None:
    assert play(user("[say a b c][slow 2]"))[:-1] == [
        (TextDelta("a"),),
        Pause(2),
        (TextDelta(" b"),),
        Pause(2),
        (TextDelta(" c"),),
    ]


@pytest.mark.parametrize("kind", FailureKind)
def test_fail_comes_before_the_answer(kind: FailureKind) -> None:
    failure = Failure(kind, f"The scripted model was told to fail: {kind.value}.")
    assert play(user(f"[fail {kind.value}]")) == [failure]
    assert play(user(f"[say a b c][fail {kind.value} after 2]")) == [
        (TextDelta("a"),),
        (TextDelta(" b"),),
        failure,
    ]


@pytest.mark.parametrize(
    ("direction", "words"),
    [("[fail]", 0), ("[fail after 0]", 0), ("[fail after 1]", 1), ("[fail after 3]", 3)],
)
def test_a_failure_without_a_kind_is_the_upstreams(direction: str, words: int) -> None:
    *spoken, last = play(user(f"[say a b c]{direction}"))
    assert isinstance(last, Failure)
    assert last.kind is FailureKind.UPSTREAM_ERROR
    assert len(spoken) == words


def test_a_failure_after_more_words_than_there_are_never_comes() -> None:
    assert text(user("[say a b c][fail after 4]")) == "a b c"


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
def test_finish_says_why(reason: str) -> None:
    assert answer(user(f"[finish {reason}]")).reason == reason


def test_otherwise_it_finishes_because_it_is_done() -> None:
    assert answer(user("Hello")).reason is FinishReason.STOP


@pytest.mark.parametrize(
    "malformed",
    [
        "[wait]", "[wait long]", "[wait -1]", "[wait 1e3]", "[wait .5]", "[slow]", "[slow down]",
        "[wait nan]", "[wait inf]", "[wait-list]", "[say-so]", "[saying a]", "[SAY a]", "[ say a]",
        "[say [a]", "[say a", "say a]", "[say {a]", "[say a}]", "[]", "[finish]", "[finish soon]",
        "[finish tool_calls]", "[fail badly]", "[fail after]", "[fail after \u00b2]", "[fail after -1]",
        "[fail after two]", "[fail upstream_error after]", "[fail internalafter 1]",
        "[fail after " + "9" * 5000 + "]", "[failure]", "[call]", "[call ]",
    ],
)  # fmt: skip
def test_what_it_does_not_understand_is_plain_text(malformed: str) -> None:
    plain = f'You said: "{malformed}" This is your 1st message in this session.'
    assert text(user(malformed), tools=(LOOK,)) == plain
    assert answer(user(malformed)).reason is FinishReason.STOP


def test_directions_are_read_without_a_prompt() -> None:
    directions = read_directions(
        '[wait 1][slow 2s][call a {"b": {"c": [1]}}][call d][finish length]'
    )
    calls_ = [("a", '{"b": {"c": [1]}}'), ("d", "{}")]
    assert directions == Directions(wait=1, slow=2, finish=FinishReason.LENGTH, calls=calls_)


# Limits and counts


@pytest.mark.parametrize(
    ("limit", "answered", "reason"),
    [(1, "a", "length"), (2, "a b", "length"), (3, "a b c", "length"), (4, "a b c", "stop")],
)
def test_a_word_is_a_token(limit: int, answered: str, reason: str) -> None:
    whole = answer(user("[say a b c]"), sampling=Sampling(max_tokens=limit))
    assert whole.entry() == AssistantEntry(answered)
    assert (whole.reason, whole.usage.completion) == (reason, len(answered.split()))


def test_the_whole_prompt_is_counted() -> None:
    heard = (system("one two"), user("three"), calls("c1", text="four"), result("c1", "five six"))
    assert answer(*heard, user("[say a]")).usage == Usage(prompt=8, completion=1)


def test_the_usage_follows_the_finish_in_the_last_step() -> None:
    assert play(user("[say a]"))[-1] == (Finish(FinishReason.STOP), Usage(2, 1))


# Tools


def test_call_calls_a_tool_that_is_offered_and_may_be_repeated() -> None:
    told = user('[call look {"a": 1}][call now][call look {"a": [2, {"b": 3}]}][call other]')
    assert called(told, tools=(LOOK, NOW)) == [
        ("look", '{"a": 1}'),
        ("now", "{}"),
        ("look", '{"a": [2, {"b": 3}]}'),
    ]
    assert called(told) == []


def test_a_message_that_names_a_tool_calls_it_with_its_first_json_object() -> None:
    assert called(
        user('Please look at {this} {"at": {"x": "[1]"}} {"no": 1}'), tools=(NOW, LOOK)
    ) == [("look", '{"at": {"x": "[1]"}}')]
    assert called(user("now look"), tools=(LOOK, NOW)) == [("look", "{}"), ("now", "{}")]
    assert called(user("Hello"), tools=(LOOK, NOW)) == []


@pytest.mark.parametrize(
    ("choice", "told", "expected"),
    [
        (NONE, "look", []),
        (NONE, "[call look]", []),
        (AUTO, "look", ["look"]),
        (AUTO, "Hello", []),
        (REQUIRED, "Hello", ["look"]),
        (REQUIRED, "now", ["now"]),
        (REQUIRED, "[call now]", ["now"]),
        (REQUIRED, "[call other]", ["look"]),
        (ToolChoice("required", b"", ("now",)), "Hello", ["now"]),
        (ToolChoice("required", b"", ("now",)), "look", ["now"]),
        (ToolChoice("required", b"", ("now",)), "[call look]", ["now"]),
        (ToolChoice("auto", b"", ("now",)), "look", []),
        (ToolChoice("auto", b"", ("now",)), "look now", ["now"]),
    ],
)  # fmt: skip
def test_it_keeps_to_the_tool_choice(choice: ToolChoice, told: str, expected: list[str]) -> None:
    made = called(user(told), tools=(LOOK, NOW), tool_choice=choice)
    assert [name for name, _ in made] == expected


def test_where_no_tool_is_offered_none_can_be_required() -> None:
    assert called(user("Hello"), tool_choice=REQUIRED) == []


def test_calls_come_in_the_order_that_channels_promise() -> None:
    *steps, last = play(user('[call look {"a":1}][call now]'), tools=(LOOK, NOW))
    assert steps == [
        (ToolCallStart(0, "call_1_0", "look"),),
        (ToolCallArguments(0, '{"a'),),
        (ToolCallArguments(0, '":1}'),),
        (ToolCallStart(1, "call_1_1", "now"),),
        (ToolCallArguments(1, "{"),),
        (ToolCallArguments(1, "}"),),
    ]
    assert last == (Finish(FinishReason.TOOL_CALLS), Usage(4, 2))


def test_a_custom_tool_is_called_as_one() -> None:
    entry = answer(user("[call sh ls -l]"), tools=(Tool("sh", b"{}", "custom"),)).entry()
    assert entry == AssistantEntry(None, (ToolCall("call_1_0", "sh", "ls -l", "custom"),))


def test_a_tools_result_is_told_back_and_calls_no_tool() -> None:
    entries = (user("[call look]"), calls("c1"), result("c1", "Rain. [call look]"))
    for choice in (AUTO, REQUIRED):
        assert text(*entries, tools=(LOOK,), tool_choice=choice) == "look said: Rain. [call look]"


def test_ids_of_calls_are_unique_in_a_session_whatever_its_instructions() -> None:
    ids: list[str] = []
    transcript: list[Entry] = []
    for turn in range(6):
        transcript.append(user("[call look][call now]"))
        instructions = [system("s")] * (4 * (5 - turn))
        entry = answer(*instructions, *transcript, tools=(LOOK, NOW)).entry()
        assert entry is not None
        made = [call.id for call in entry.tool_calls]
        transcript += [entry, *(result(id_) for id_ in made)]
        ids += made
    assert len(set(ids)) == 12


# Any text


pieces = st.sampled_from(
    ["[", "]", "{", "}", " ", "\n", '"', ":", "a", "1", "-", ".", "\u00b2", "\u0663", "\ud800", "say",
     "wait", "slow", "fail", "finish", "call", "after", "look", "internal", "length", "[say ",
     "[call look ", "[fail ", "[wait ", '{"a":', "9" * 400]
)  # fmt: skip
any_text = st.one_of(st.text(), st.lists(pieces, max_size=12).map("".join))
any_entry: st.SearchStrategy[Entry] = st.one_of(
    st.builds(UserEntry, any_text), st.builds(SystemEntry, any_text), st.builds(said, any_text),
    st.builds(result, st.just("c1"), any_text),
)  # fmt: skip


@settings(max_examples=500)
@given(
    entries=st.lists(any_entry, max_size=3),
    last=any_text,
    tools=st.sampled_from([(), (LOOK,), (LOOK, NOW, Tool("a", b"{}", "custom"))]),
    choice=st.sampled_from([None, NONE, AUTO, REQUIRED, ToolChoice("required", b"", ("now",))]),
    limit=st.none() | st.integers(0, 5),
)
def test_on_any_text_it_keeps_a_channels_promises_and_does_the_same_again(
    entries: list[Entry],
    last: str,
    tools: tuple[Tool, ...],
    choice: ToolChoice | None,
    limit: int | None,
) -> None:
    prompt = Prompt("m", (*entries, user(last)), tools, choice, sampling=Sampling(max_tokens=limit))
    steps = list(perform(prompt))
    assert steps == list(perform(prompt))
    assert all(steps), "an empty batch"
    assert not any(isinstance(step, Pause) and step.seconds < 0 for step in steps)
    failed = [step for step in steps if isinstance(step, Failure)]
    assert failed in ([], steps[-1:])
    deltas = [delta for step in steps if isinstance(step, tuple) for delta in step]
    kinds = [type(delta) for delta in deltas]
    starts = [delta for delta in deltas if isinstance(delta, ToolCallStart)]
    assert [start.index for start in starts] == list(range(len(starts)))
    assert {start.name for start in starts} <= {tool.name for tool in tools}
    if choice is REQUIRED and tools and not failed:
        assert starts
    if choice is NONE:
        assert not starts
    if failed:
        assert Finish not in kinds
    else:
        assert kinds[-2:] == [Finish, Usage]
        assert kinds.count(Finish) == kinds.count(Usage) == 1
        assert (deltas[-2] == Finish(FinishReason.TOOL_CALLS)) == bool(starts)


@pytest.mark.parametrize(
    "pattern", ["{", "[say ", "[say {", "[call look {a", "{{a}", '{"a":[', "{}"]
)
def test_reading_a_long_text_takes_time_in_proportion(pattern: str) -> None:
    def seconds(size: int) -> float:
        began = time.process_time()
        next(perform(Prompt("m", (user(pattern * (size // len(pattern))),), (LOOK,))))
        return time.process_time() - began

    assert seconds(100_000) < 5, "it would be minutes if it were quadratic"
