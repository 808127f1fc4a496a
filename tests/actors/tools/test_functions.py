"""A function is a tool: its schema is its signature, and what a model sends is held to that."""

import threading
from typing import Annotated, Literal

import msgspec
import pytest
import trio

from greenroom.actors.stores.records import SessionName
from greenroom.actors.tools.functions import AnyTool, Functions, tool
from greenroom.actors.tools.tool import Call, ToolFailed


class Place(msgspec.Struct):
    """A place on a map."""

    name: str
    height: float = 0.0


@tool
async def weather(city: str, days: Annotated[int, msgspec.Meta(ge=1)] = 1) -> str:
    """Tell the weather.

    Of the next days, as far as anybody knows.

    Args:
        city: Its English name,
            as on a map.
        days: How many of them.

    Returns:
        A sentence.
    """
    await trio.lowlevel.checkpoint()
    return f"{city}: rain for {days}"


async def call(made: AnyTool, arguments: object) -> str:
    [inner] = Functions([made]).tools()
    given = Call(SessionName("main", "k"), "t", "c", msgspec.json.encode(arguments))
    return await inner.work(given)


def test_a_model_is_told_the_docstring_and_the_signature() -> None:
    assert weather.name == "weather"
    assert weather.description == "Tell the weather.\n\nOf the next days, as far as anybody knows."
    assert msgspec.json.decode(weather.parameters) == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Its English name, as on a map."},
            "days": {
                "type": "integer",
                "minimum": 1,
                "default": 1,
                "description": "How many of them.",
            },
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_types_of_ones_own_are_in_the_schema() -> None:
    @tool
    def climb(to: Place, by: Literal["rope", "stairs"] = "stairs") -> float:
        """Climb."""
        return to.height + len(by)

    schema = msgspec.json.decode(climb.parameters)
    assert schema["properties"]["to"] == {"$ref": "#/$defs/Place"}
    assert schema["properties"]["by"]["enum"] == ["rope", "stairs"]
    assert schema["$defs"]["Place"]["properties"]["height"] == {"type": "number", "default": 0.0}


async def test_it_is_called_with_what_was_sent() -> None:
    assert await call(weather, {"city": "Rome", "days": 3}) == "Rome: rain for 3"
    assert await call(weather, {"city": "Rome"}) == "Rome: rain for 1"
    assert await weather("Oslo") == "Oslo: rain for 1"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "missing required field `city`"),
        ({"city": 7}, r"Expected `str`, got `int` - at `\$.city`"),
        ({"city": "Rome", "days": 0}, "Expected `int` >= 1"),
        ({"city": "Rome", "hours": 2}, "unknown field `hours`"),
    ],
)
async def test_what_does_not_fit_is_told_to_the_model(arguments: object, problem: str) -> None:
    with pytest.raises(ToolFailed, match=problem):
        await call(weather, arguments)


async def test_a_plain_function_runs_in_a_thread_and_its_result_is_json() -> None:
    @tool
    def where() -> dict[str, bool]:
        """Say where it runs."""
        return {"here": threading.current_thread() is threading.main_thread()}

    assert await call(where, {}) == '{"here":false}'


async def test_the_call_itself_is_no_parameter() -> None:
    @tool(name="pay", needs_approval=True, seconds=5)
    async def pay_once(amount: int, of: Call) -> str:
        """Pay."""
        await trio.lowlevel.checkpoint()
        return f"{amount} for {of.key}"

    assert await call(pay_once, {"amount": 3}) == "3 for t.c"
    assert "of" not in msgspec.json.decode(pay_once.parameters)["properties"]
    [inner] = Functions([pay_once]).tools()
    assert (inner.name, inner.needs_approval, inner.seconds) == ("pay", True, 5)


async def test_defaults_are_not_shared_between_calls() -> None:
    @tool
    async def collect(into: list[int] = []) -> list[int]:  # noqa: B006 - the point
        """Collect."""
        await trio.lowlevel.checkpoint()
        into.append(1)
        return into

    assert await call(collect, {}) == "[1]"
    assert await call(collect, {}) == "[1]"


def test_what_can_be_no_tool_is_refused_where_it_is_written() -> None:
    def silent(a: int) -> int:
        return a

    def untyped(a) -> int:  # type: ignore[no-untyped-def]
        """Add."""
        return int(a)

    def strange(a: object) -> None:
        """Take."""

    with pytest.raises(ValueError, match="says nothing of what it does"):
        tool(silent)
    with pytest.raises(ValueError, match="no name for a tool"):
        tool(name="a b", description="x")(silent)
    with pytest.raises(TypeError, match="parameter 'a' has no name or no type"):
        tool(untyped)
    with pytest.raises(TypeError, match="a parameter that JSON cannot carry"):
        tool(strange)
