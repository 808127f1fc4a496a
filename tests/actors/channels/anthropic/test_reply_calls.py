"""Tool calls, also those of custom tools, become the deltas that `Channel` promises."""

import pytest

from greenroom.actors.channels.anthropic.keepsake import Origin
from greenroom.actors.channels.anthropic.reply import AnthropicDecoder
from greenroom.actors.channels.channel import (
    Finish,
    FinishReason,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from tests.actors.channels.anthropic.conftest import block, decode, said, start, stop, used
from tests.actors.channels.conftest import Json

CALLED = Finish(FinishReason.TOOL_CALLS)
COUNTED = Usage(prompt=327, completion=5, cached=300, cache_write=20)


def test_tool_calls_are_numbered_by_themselves_and_come_in_fragments() -> None:
    stream = (
        start()
        + said(0, "Wait.")
        + used(1, "toolu_1", "f", "", '{"city":', '"Paris"}')
        + used(2, "toolu_2", "g", "", '{"n":1}')
        + stop("tool_use")
    )
    assert decode(stream) == (
        [
            TextDelta("Wait."),
            ToolCallStart(0, "toolu_1", "f"),
            ToolCallArguments(0, '{"city":'),
            ToolCallArguments(0, '"Paris"}'),
            ToolCallStart(1, "toolu_2", "g"),
            ToolCallArguments(1, '{"n":1}'),
            CALLED,
            COUNTED,
        ],
        None,
    )


@pytest.mark.parametrize("pieces", [(), ("",)])
def test_a_call_without_arguments_has_an_empty_object(pieces: tuple[str, ...]) -> None:
    stream = start() + used(0, "a", "f", *pieces) + used(1, "b", "g", *pieces) + stop("tool_use")
    assert decode(stream)[0][:-1] == [
        ToolCallStart(0, "a", "f"),
        ToolCallArguments(0, "{}"),
        ToolCallStart(1, "b", "g"),
        ToolCallArguments(1, "{}"),
        CALLED,
    ]


def test_arguments_may_stand_in_the_start_of_their_block() -> None:
    whole: Json = {"type": "tool_use", "id": "a", "name": "f", "input": {"n": 1}}
    assert decode(start() + block(0, whole) + stop("tool_use"))[0][:2] == [
        ToolCallStart(0, "a", "f"),
        ToolCallArguments(0, '{"n":1}'),
    ]


def test_calls_without_an_id_of_their_own_get_one() -> None:
    stream = start() + used(0, "", "f") + used(1, "a", "f") + used(2, "a", "f") + stop("tool_use")
    starts = [delta for delta in decode(stream)[0] if isinstance(delta, ToolCallStart)]
    assert [start.id for start in starts] == ["new-0", "a", "new-1"]


def test_calls_that_a_limit_cut_are_not_made_to_look_whole() -> None:
    for pieces in ((), ('{"ci',)):
        deltas, _ = decode(start() + used(0, "a", "f", *pieces) + stop("max_tokens"))
        assert deltas[1:] == [
            *(ToolCallArguments(0, piece) for piece in pieces),
            Finish(FinishReason.LENGTH),
            COUNTED,
        ]


@pytest.mark.parametrize(
    ("pieces", "reason", "text"),
    [
        (('{"inp', 'ut": "l', 's\\n-l"}'), "tool_use", "ls\n-l"),
        (('{"input": ""}',), "tool_use", None),
        (('{"command": "ls"}',), "tool_use", '{"command": "ls"}'),
        (('{"input": "ls", "x": 1}',), "tool_use", '{"input": "ls", "x": 1}'),
        (('{"input": 5}',), "tool_use", '{"input": 5}'),
        (("ls",), "tool_use", "ls"),
        ((), "tool_use", None),
        (('{"input": "l',), "max_tokens", None),
        (('{"input": "ls"}',), "max_tokens", "ls"),
    ],
)
def test_a_custom_tools_call_is_its_text(
    pieces: tuple[str, ...], reason: str, text: str | None
) -> None:
    stream = start() + used(0, "a", "sh", *pieces) + stop(reason)
    deltas, failure = decode(stream, custom=("sh",))
    assert failure is None
    assert deltas[0] == ToolCallStart(0, "a", "sh", custom=True)
    assert deltas[1:-2] == ([ToolCallArguments(0, text)] if text else [])


def test_a_custom_tools_text_may_stand_in_the_start_of_its_block() -> None:
    for given, text in (({"input": "ls"}, "ls"), ({"x": 1}, '{"x":1}')):
        whole: Json = {"type": "tool_use", "id": "a", "name": "sh", "input": given}
        deltas, _ = decode(start() + block(0, whole) + stop("tool_use"), custom=("sh",))
        assert deltas[1] == ToolCallArguments(0, text)


def test_made_up_ids_are_short_and_plain() -> None:
    decoder = AnthropicDecoder(UpstreamErrors("local"), lambda: Origin("local", "m"))
    (made,) = decoder.feed(start() + used(0, "", "f"))
    assert isinstance(made, ToolCallStart)
    assert len(made.id) <= 40
    assert made.id.replace("_", "").isalnum()
