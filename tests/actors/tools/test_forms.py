"""Where answers have a form, a client gets one that has it, or a failure; a model has some tries."""

import msgspec
import pytest

from greenroom.actors.entries import AssistantEntry, Prompt, ToolEntry
from greenroom.actors.failure import FailureKind
from greenroom.actors.kit import Hooks, Kit
from greenroom.actors.output import Output, Schema, Typed
from greenroom.actors.tools.tool import Call, ToolFailed
from tests.actors.conftest import (
    PlayedChannel,
    TheseTools,
    a_system,
    said,
    set_stage,
    user,
    words,
)
from tests.actors.tools.conftest import a_tool, calling, inner_calls, transcript_of
from tests.stores import a_store

IN_VIRTUAL_TIME = True


class City(msgspec.Struct):
    """A city."""

    name: str
    people: int


ROME = '{"name":"Rome","people":3}'
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
}
FORMS = [Typed(City), Schema("City", SCHEMA)]


@pytest.mark.parametrize("form", FORMS, ids=["type", "schema"])
async def test_an_answer_that_has_the_form_is_told(form: Output) -> None:
    channel = PlayedChannel(words(ROME[:10], ROME[10:]))
    async with a_system() as system:
        stage = await set_stage(system, channel, kit=Kit(output=form))
        assert (await stage.ask("k", user("Where?"))).text == ROME
    asked = msgspec.json.decode(channel.prompts[0].extra["response_format"])
    assert asked["type"] == "json_schema"
    assert asked["json_schema"]["name"] == "City"
    assert asked["json_schema"]["schema"] == msgspec.json.decode(form.schema)


@pytest.mark.parametrize("form", FORMS, ids=["type", "schema"])
@pytest.mark.parametrize("wrong", ["In Rome.", '{"name":"Rome"}', '{"name":"Rome","people":"few"}'])
async def test_one_that_has_not_is_asked_for_again_and_nobody_sees_it(
    form: Output, wrong: str
) -> None:
    channel, store = PlayedChannel(words(wrong), words(ROME)), a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, kit=Kit(output=form))
        outcome = await stage.ask("k", user("Where?"))
    assert outcome.text == ROME
    _, asked, repair = channel.heard()
    assert asked == said(wrong)
    assert "does not have the form that is needed" in str(repair.content)  # type: ignore[union-attr]
    assert await transcript_of(store) == [user("Where?"), said(ROME)]


async def test_a_model_that_cannot_do_it_fails_the_turn() -> None:
    channel, store = PlayedChannel(words("In Rome.")), a_store()
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, kit=Kit(output=Typed(City)))
        outcome = await stage.ask("k", user("Where?"))
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.UPSTREAM_ERROR
    assert outcome.failure.code == "invalid_output"
    assert "asked 3 times" in outcome.failure.message
    assert outcome.text == ""
    assert len(channel.prompts) == 3
    assert await transcript_of(store) == []


async def test_what_is_said_on_the_way_to_a_form_is_for_nobody() -> None:
    channel = PlayedChannel(calling(("c1", "look"), text="Let me see."), words(ROME))
    store = a_store()
    kit = Kit((TheseTools([a_tool()]),), output=Typed(City))
    async with a_system() as system:
        stage = await set_stage(system, channel, store=store, kit=kit)
        told = (await stage.ask("k", user("Where?"))).text
        assert told == ROME
        await stage.ask("k", user("Where?"), said(told), user("Again?"))
    kept = await transcript_of(store)
    assert kept[1] == inner_calls(("c1", "look"))
    assert len(kept) == 6, "what the client sent again is the same conversation"


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="this is no JSON Schema"):
        Schema("City", {"type": "city"})


class Guard(Hooks):
    """Takes notes, and a hand."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def before_model(self, prompt: Prompt) -> Prompt:
        self.notes.append(f"asks with {len(prompt.entries)}")
        return msgspec.structs.replace(prompt, model="better")

    async def after_model(self, answer: AssistantEntry) -> None:
        self.notes.append(f"said {answer.text}")

    async def before_tool(self, name: str, call: Call) -> None:
        self.notes.append(f"calls {name}")
        if call.id == "c2":
            raise ToolFailed("not twice")

    async def after_tool(self, name: str, call: Call, result: str) -> str:
        self.notes.append(f"{name}: {result}")
        return result.upper()


async def test_hooks_look_on_and_take_a_hand() -> None:
    guard = Guard()
    channel = PlayedChannel(
        calling(("c1", "look")), calling(("c2", "look")), words("Well."), words("Yes.")
    )
    store = a_store()
    async with a_system() as system:
        kit = Kit((TheseTools([a_tool()]),), hooks=guard)
        stage = await set_stage(system, channel, store=store, kit=kit)
        await stage.ask("k", user("a"))
    assert guard.notes == [
        "asks with 1", "said None", "calls look", "look: found by c1",
        "asks with 3", "said None", "calls look",
        "asks with 5", "said Well.",
    ]  # fmt: skip
    kept = await transcript_of(store)
    results = [entry.content for entry in kept if isinstance(entry, ToolEntry)]
    assert results == ["FOUND BY C1", "Error: not twice"]
