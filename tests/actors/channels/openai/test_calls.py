"""The fragments of tool calls come out in order, whatever order and names they came in with."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.channels.channel import ToolCallArguments, ToolCallStart
from greenroom.actors.channels.openai.calls import BadCalls, CallDelta, ToolCalls
from greenroom.actors.channels.openai.wire import Call, Custom, Function


def part(
    arguments: object = None,
    index: object = None,
    id_: str | None = None,
    name: str | None = None,
) -> Call:
    return Call(index, id_, Function(name, arguments))


def calls() -> ToolCalls:
    counter = itertools.count()
    return ToolCalls(lambda: f"new-{next(counter)}")


def passed_on(*fragments: Call, cut: bool = False) -> list[CallDelta]:
    order = calls()
    deltas = [delta for fragment in fragments for delta in order.feed(fragment)]
    return deltas + order.end(cut=cut)


def seen(deltas: list[CallDelta]) -> list[tuple[str, str, str]]:
    """Return id, name and arguments of each call, having checked the promises of `Channel`."""
    found: list[tuple[str, str, str]] = []
    for delta in deltas:
        if isinstance(delta, ToolCallStart):
            assert delta.index == len(found)
            found.append((delta.id, delta.name, ""))
        else:
            assert delta.index == len(found) - 1
            assert delta.fragment
            id_, name, arguments = found[-1]
            found[-1] = (id_, name, arguments + delta.fragment)
    return found


F1 = ("a", "f", '{"x":1}')
G2 = ("b", "g", '{"y":2}')

MANNERS: dict[str, tuple[Call, ...]] = {
    "as OpenAI": (
        part("", 0, "a", "f"),
        part('{"x"', 0),
        part(":1}", 0),
        part("", 1, "b", "g"),
        part('{"y":2}', 1),
    ),
    "whole": (part('{"x":1}', 0, "a", "f"), part('{"y":2}', 1, "b", "g")),
    "without indexes": (part('{"x":1}', None, "a", "f"), part('{"y":2}', None, "b", "g")),
    "without indexes, in fragments": (
        part("", None, "a", "f"),
        part('{"x"', None),
        part(":1}", None),
        part("", None, "b", "g"),
        part('{"y":2}', None),
    ),
    "known by id": (
        part("", None, "a", "f"),
        part('{"x":1}', None, "a"),
        part("", None, "b", "g"),
        part('{"y":2}', None, "b"),
    ),
    "id and name repeated": (
        part('{"x"', 0, "a", "f"),
        part(":1}", 0, "a", "f"),
        part('{"y"', 1, "b", "g"),
        part(":2}", 1, "b", "g"),
    ),
    "empty id and name repeated": (
        part("", 0, "a", "f"),
        part('{"x":1}', 0, "", ""),
        part("", 1, "b", "g"),
        part('{"y":2}', 1, "", ""),
    ),
    "every call numbered 0": (part('{"x":1}', 0, "a", "f"), part('{"y":2}', 0, "b", "g")),
    "float indexes": (part('{"x":1}', 0.0, "a", "f"), part('{"y":2}', 1.0, "b", "g")),
    "indexes from 1, with a hole": (part('{"x":1}', 1, "a", "f"), part('{"y":2}', 7, "b", "g")),
    "arguments as an object": (part({"x": 1}, 0, "a", "f"), part({"y": 2}, 1, "b", "g")),
    "a new id for each fragment": (
        part("", None, "a", "f"),
        part('{"x"', None, "z1"),
        part(":1}", None, "z2"),
        part('{"y":2}', None, "b", "g"),
    ),
    "interleaved": (
        part("", 0, "a", "f"),
        part('{"x"', 0),
        part("", 1, "b", "g"),
        part('{"y"', 1),
        part(":1}", 0),
        part(":2}", 1),
    ),
    "interleaved to the end": (
        part('{"x"', 0, "a", "f"),
        part("", 1, "b", "g"),
        part('{"y":2}', 1),
        part(":1}", 0),
    ),
    "an identity after its arguments": (
        part('{"x"', 0),
        part(":1}", 0, "a", "f"),
        part('{"y":2}', 1, "b", "g"),
    ),
    "repeated after it was over": (
        part('{"x":1}', 0, "a", "f"),
        part('{"y":2}', 1, "b", "g"),
        part('{"x":1}', 0),
        part("", 1),
    ),
}


@pytest.mark.parametrize("manner", MANNERS)
def test_two_calls_come_out_in_order_however_they_are_named(manner: str) -> None:
    assert seen(passed_on(*MANNERS[manner])) == [F1, G2]


def test_the_call_that_is_not_over_is_passed_on_as_it_comes() -> None:
    order = calls()
    assert order.feed(part("", 0, "a", "f")) == [ToolCallStart(0, "a", "f")]
    assert order.feed(part('{"x"', 0)) == [ToolCallArguments(0, '{"x"')]
    assert order.feed(part(":1}", 0)) == [ToolCallArguments(0, ":1}")]
    assert order.feed(part("", 1, "b", "g")) == [ToolCallStart(1, "b", "g")]
    assert order.feed(part('{"y"', 1)) == [ToolCallArguments(1, '{"y"')]


def test_a_call_waits_while_the_one_before_may_go_on() -> None:
    order = calls()
    order.feed(part('{"x"', 0, "a", "f"))
    assert order.feed(part("{}", 1, "b", "g")) == []
    assert order.feed(part(":1}", 0)) == [
        ToolCallArguments(0, ":1}"),
        ToolCallStart(1, "b", "g"),
        ToolCallArguments(1, "{}"),
    ]


def test_free_text_is_over_only_with_the_answer() -> None:
    order = calls()
    start = order.feed(Call(0, "a", None, Custom("shell", "{}")))
    assert start == [ToolCallStart(0, "a", "shell", custom=True), ToolCallArguments(0, "{}")]
    assert order.feed(part("{}", 1, "b", "g")) == []
    assert order.feed(Call(0, None, None, Custom(None, " ls"))) == [ToolCallArguments(0, " ls")]
    assert order.end(cut=False) == [ToolCallStart(1, "b", "g"), ToolCallArguments(1, "{}")]


def test_calls_without_ids_get_ids_of_their_own() -> None:
    found = seen(
        passed_on(part("{}", 0, None, "f"), part("{}", 1, "", "g"), part("{}", 2, "x", "h"))
    )
    assert found == [("new-0", "f", "{}"), ("new-1", "g", "{}"), ("x", "h", "{}")]


def test_an_id_is_never_given_twice() -> None:
    assert seen(passed_on(part("{}", 0, "f", "f"), part("{}", 1, "f", "f"))) == [
        ("f", "f", "{}"),
        ("new-0", "f", "{}"),
    ]


def test_whole_calls_of_one_function_without_ids_or_indexes_are_told_apart() -> None:
    first, second = part('{"x":1}', None, None, "f"), part('{"x":2}', None, None, "f")
    assert seen(passed_on(first, second)) == [("new-0", "f", '{"x":1}'), ("new-1", "f", '{"x":2}')]


def test_a_function_called_without_arguments_gets_the_empty_object() -> None:
    assert seen(passed_on(part("", 0, "a", "f"), part(" ", 1, "b", "g"))) == [
        ("a", "f", "{}"),
        ("b", "g", " {}"),
    ]


def test_unless_its_answer_was_cut_or_it_takes_free_text() -> None:
    assert seen(passed_on(part("", 0, "a", "f"), cut=True)) == [("a", "f", "")]
    assert seen(passed_on(Call(0, "a", None, Custom("shell")))) == [("a", "shell", "")]


def test_a_call_that_never_gets_a_name_is_an_error() -> None:
    with pytest.raises(BadCalls, match="without a name"):
        passed_on(part("{}", 0, "a"))


def test_an_entry_with_nothing_in_it_is_no_call() -> None:
    assert passed_on(part("", 0), Call(0), part(None, None, "", "")) == []


def test_what_waits_is_bounded() -> None:
    order = calls()
    for _ in range(8):
        assert order.feed(part("x" * (1 << 20), 0)) == []
    with pytest.raises(BadCalls, match="characters"):
        order.feed(part("x", 0))


def test_the_number_of_calls_is_bounded() -> None:
    order = calls()
    for index in range(1024):
        order.feed(part("", index, str(index), "f"))
    with pytest.raises(BadCalls, match="tool calls"):
        order.feed(part("", 1024, "one more", "f"))


@given(st.data())
def test_any_interleaving_of_well_numbered_calls_gives_the_calls(data: st.DataObject) -> None:
    wanted: list[tuple[str, str, str]] = []
    waiting: list[list[Call]] = []
    for index in range(data.draw(st.integers(1, 4))):
        value = data.draw(st.dictionaries(st.text(max_size=3), st.text(max_size=6), max_size=2))
        text = msgspec.json.encode(value).decode()
        cut = data.draw(st.integers(0, len(text)))
        wanted.append((f"id{index}", f"f{index}", text))
        waiting.append(
            [
                part("", index, f"id{index}", f"f{index}"),
                part(text[:cut], index),
                part(text[cut:], index),
            ]
        )
    # Indexes count the calls as they began.
    fragments = [pieces.pop(0) for pieces in waiting]
    while remaining := [pieces for pieces in waiting if pieces]:
        fragments.append(data.draw(st.sampled_from(remaining)).pop(0))
    assert seen(passed_on(*fragments)) == wanted


@given(
    st.lists(
        st.builds(
            part,
            st.none() | st.sampled_from(["", "{", "}", "{}", " ", "x"]),
            st.none() | st.integers(0, 2) | st.just("0"),
            st.none() | st.sampled_from(["", "a", "b"]),
            st.none() | st.sampled_from(["", "f", "g"]),
        )
    )
)
def test_whatever_comes_the_promises_hold(fragments: list[Call]) -> None:
    order = calls()
    deltas = [delta for fragment in fragments for delta in order.feed(fragment)]
    try:
        deltas += order.end(cut=False)
    except BadCalls:
        return
    ids = [id_ for id_, _, _ in seen(deltas)]
    assert len(ids) == len({*ids})
