"""Conversations by the real SDK: made, talked in, listed item by item, changed and deleted."""

from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.conversations import ConversationItem, Message

from tests.sdk.conftest import SCRIPTED, Gateway, RunAsync, async_client_of, reply

asynchronous = pytest.mark.filterwarnings(
    # The SDK leaves generators to the loop's finalizer, of which trio alone tells.
    r"ignore:Async generator '(openai|httpx2|httpcore2)\.:ResourceWarning"
)


def message(text: str, role: str = "user") -> Any:
    return {"type": "message", "role": role, "content": text}


def say(client: OpenAI, conversation: str, text: str) -> str:
    response = client.responses.create(model=SCRIPTED, input=text, conversation=conversation)
    return response.output_text


def text_of(item: ConversationItem) -> str:
    assert isinstance(item, Message)
    [part] = item.content
    text: str = part.to_dict()["text"]  # type: ignore[assignment]
    return text


def test_one_is_made_shown_changed_and_deleted(client: OpenAI) -> None:
    made = client.conversations.create(metadata={"topic": "a"})
    assert made.id.startswith("conv_")
    assert (made.object, made.metadata) == ("conversation", {"topic": "a"})
    assert client.conversations.retrieve(made.id).to_dict() == made.to_dict()
    changed = client.conversations.update(made.id, metadata={"topic": "b"})
    assert changed.metadata == {"topic": "b"}
    assert client.conversations.retrieve(made.id).to_dict() == changed.to_dict()
    deleted = client.conversations.delete(made.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (made.id, "conversation.deleted", True)
    with pytest.raises(openai.NotFoundError) as caught:
        client.conversations.retrieve(made.id)
    assert (caught.value.param, caught.value.code) == ("conversation_id", "conversation_not_found")


def test_responses_go_on_in_it_and_are_its_items(client: OpenAI) -> None:
    id_ = client.conversations.create(items=[message("a")]).id
    assert say(client, id_, "b") == reply("b", "2nd")
    assert say(client, id_, "c") == reply("c", "3rd")
    items = list(client.conversations.items.list(id_, order="asc", limit=2))
    assert [text_of(item) for item in items] == [
        "a",
        "b",
        reply("b", "2nd"),
        "c",
        reply("c", "3rd"),
    ]
    assert [item.id for item in client.conversations.items.list(id_, limit=2)] == [
        item.id for item in reversed(items)
    ]
    for item in items:
        assert item.id is not None
        shown = client.conversations.items.retrieve(item.id, conversation_id=id_)
        assert shown.to_dict() == item.to_dict()


def test_a_response_tells_its_conversation_and_its_output_is_an_item_of_it(client: OpenAI) -> None:
    id_ = client.conversations.create().id
    response = client.responses.create(
        model=SCRIPTED, input="a", conversation={"id": id_}, stream=False
    )
    assert response.conversation is not None
    assert response.conversation.id == id_
    item = client.conversations.items.list(id_).data[0]
    assert item.to_dict() == response.output[0].to_dict()
    branch = client.responses.create(model=SCRIPTED, input="b", previous_response_id=response.id)
    assert branch.output_text == reply("b", "2nd")


def test_items_are_added_and_taken_out(client: OpenAI) -> None:
    id_ = client.conversations.create().id
    added = client.conversations.items.create(
        id_, items=[message("a"), message("A.", "assistant"), message("b")]
    )
    assert [text_of(item) for item in added.data] == ["a", "A.", "b"]
    first, answer, last = [item.id or "" for item in added.data]
    client.conversations.items.delete(last, conversation_id=id_)
    assert [item.id for item in client.conversations.items.list(id_)] == [answer, first]
    with pytest.raises(openai.NotFoundError) as caught:
        client.conversations.items.retrieve(last, conversation_id=id_)
    assert (caught.value.param, caught.value.code) == ("item_id", "item_not_found")
    assert say(client, id_, "c") == reply("c", "2nd")


def test_a_call_and_its_output_belong_together(client: OpenAI) -> None:
    id_ = client.conversations.create().id
    call = {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}
    made: list[Any] = [message("Look."), call, output]
    added = client.conversations.items.create(id_, items=made)
    kinds = [item.type for item in added.data]
    assert kinds == ["message", "function_call", "function_call_output"]
    for item in added.data[1:]:
        with pytest.raises(openai.ConflictError) as caught:
            client.conversations.items.delete(item.id or "", conversation_id=id_)
        assert caught.value.code == "item_in_use"


def test_items_of_one_conversation_are_not_in_another(client: OpenAI) -> None:
    one = client.conversations.create(items=[message("a")]).id
    other = client.conversations.create(items=[message("b")]).id
    item = client.conversations.items.list(one).data[0].id or ""
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve(item, conversation_id=other)
    with pytest.raises(openai.NotFoundError) as caught:
        client.conversations.items.list(other, after=item)
    assert caught.value.param == "after"


def test_it_is_a_session_for_every_api(client: OpenAI) -> None:
    id_ = client.conversations.create().id
    say(client, id_, "a")
    answer = client.chat.completions.create(
        model=SCRIPTED,
        messages=[{"role": "user", "content": "b"}],
        extra_headers={"x-openclaw-session-key": id_},
    )
    assert answer.choices[0].message.content == reply("b", "2nd")
    assert len(client.conversations.items.list(id_).data) == 4
    assert say(client, id_, "c") == reply("c", "3rd")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"metadata": {"k": 1}}, "metadata[...]"),
        ({"items": [{"type": "web_search_call"}]}, "items[0].type"),
        ({"items": [message("x")] * 21}, "items"),
        ({"items": [message("x", "nobody")]}, "items[0].role"),
    ],
)
def test_what_cannot_be_had_is_refused_by_its_name(
    client: OpenAI, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.conversations.create(**fields)
    assert caught.value.param == param


def test_an_agent_of_ones_own_is_named_by_a_header(client: OpenAI) -> None:
    beta = {"x-openclaw-agent-id": "beta"}
    id_ = client.conversations.create(extra_headers=beta).id
    with pytest.raises(openai.BadRequestError) as caught:
        say(client, id_, "a")
    assert caught.value.param == "model"
    said = client.responses.create(model="openclaw:beta", input="a", conversation=id_)
    assert said.output_text == reply("a", "1st")


@asynchronous
def test_the_asynchronous_client(gateway: Gateway, run_async: RunAsync) -> None:
    async def test() -> None:
        async with async_client_of(gateway) as client:
            made = await client.conversations.create(items=[message("a")])
            await client.conversations.items.create(made.id, items=[message("b")])
            items = [item async for item in client.conversations.items.list(made.id, limit=1)]
            await client.conversations.delete(made.id)
        assert [text_of(item) for item in items] == ["b", "a"]

    run_async(test)
