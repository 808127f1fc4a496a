"""The Responses API by the real SDK: made, streamed, gone on from, looked up, cancelled, deleted."""

import json
from collections.abc import Callable
from typing import Any, cast

import openai
import pytest
from openai import OpenAI
from openai.types.responses import (
    FunctionToolParam,
    Response,
    ResponseFunctionToolCall,
    ResponseStreamEvent,
)
from pydantic import BaseModel

from tests.processes import until
from tests.sdk.conftest import SCRIPTED, Gateway, RunAsync, async_client_of, reply

LOOK: FunctionToolParam = {
    "type": "function",
    "name": "look_up",
    "description": "Look a city up.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}

asynchronous = pytest.mark.filterwarnings(
    # The SDK leaves generators to the loop's finalizer, of which trio alone tells.
    r"ignore:Async generator '(openai|httpx2|httpcore2)\.:ResourceWarning"
)


def ask(client: OpenAI, text: str, **fields: Any) -> Response:
    create = cast("Callable[..., Response]", client.responses.create)
    return create(model=SCRIPTED, input=text, **fields)


def whole(response: Response) -> dict[str, Any]:
    return response.to_dict()


def call_in(response: Response) -> ResponseFunctionToolCall:
    [call] = response.output
    assert isinstance(call, ResponseFunctionToolCall)
    return call


def at_its_end(client: OpenAI, id_: str) -> Response:
    def found() -> Response | None:
        response = client.responses.retrieve(id_)
        return None if response.status in ("queued", "in_progress") else response

    return until(found, f"the end of {id_}")


def test_a_whole_response(client: OpenAI, model: str) -> None:
    response = client.responses.create(
        model=model, input="hello", metadata={"a": "b"}, instructions="Be kind.", temperature=0.5
    )
    assert response.output_text == reply("hello", "1st")
    assert (response.object, response.status, response.error) == ("response", "completed", None)
    assert response.id.startswith("resp_")
    assert (response.model, response.metadata) == (model, {"a": "b"})
    assert (response.instructions, response.temperature) == ("Be kind.", 0.5)
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert whole(client.responses.retrieve(response.id)) == whole(response)


def test_a_stream_tells_everything_in_order_and_ends_with_what_is_retrieved(
    client: OpenAI, model: str
) -> None:
    with client.responses.create(model=model, input="[say One two]", stream=True) as stream:
        events = list(stream)
    kinds = [event.type.removeprefix("response.") for event in events]
    deltas = kinds.count("output_text.delta")
    assert kinds == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        *["output_text.delta"] * deltas,
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(said) == "One two"
    last = events[-1]
    assert last.type == "response.completed"
    assert whole(client.responses.retrieve(last.response.id)) == whole(last.response)


def test_the_stream_helper_puts_a_call_together(client: OpenAI, model: str) -> None:
    with client.responses.stream(
        model=model, input='[call look_up {"city": "Oslo"}]', tools=[LOOK]
    ) as stream:
        events = list(stream)
        final = stream.get_final_response()
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert [event.arguments for event in done] == ['{"city": "Oslo"}']
    [item] = final.output
    assert item.type == "function_call"
    assert item.parsed_arguments == {"city": "Oslo"}


def test_a_call_goes_round_by_the_response_before_it(client: OpenAI) -> None:
    first = ask(client, '[call look_up {"city": "Oslo"}]', tools=[LOOK])
    call = call_in(first)
    assert json.loads(call.arguments) == {"city": "Oslo"}
    second = client.responses.create(
        model=SCRIPTED,
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "rain"}],
        tools=[LOOK],
    )
    assert second.output_text == "look_up said: rain"
    assert second.previous_response_id == first.id


def test_a_call_goes_round_by_its_own_items(client: OpenAI, model: str) -> None:
    asked: list[Any] = [{"role": "user", "content": '[call look_up {"city": "Oslo"}]'}]
    first = client.responses.create(model=model, input=asked, tools=[LOOK], store=False)
    call = call_in(first)
    asked += [item.to_dict() for item in first.output]
    asked.append({"type": "function_call_output", "call_id": call.call_id, "output": "rain"})
    second = client.responses.create(model=model, input=asked, tools=[LOOK], store=False)
    assert second.output_text == "look_up said: rain"


def test_a_required_and_an_unwanted_tool(client: OpenAI, model: str) -> None:
    none = client.responses.create(
        model=model, input='[call look_up {"city": "Oslo"}]', tool_choice="none", tools=[LOOK]
    )
    assert [item.type for item in none.output] == ["message"]
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(
            model=model,
            input="x",
            tool_choice={"type": "function", "name": "other"},
            tools=[LOOK],
        )
    assert caught.value.param == "tool_choice"


class City(BaseModel):
    name: str
    people: int


def test_a_format_is_parsed(client: OpenAI, model: str) -> None:
    parsed = client.responses.parse(
        model=model, input='[say {"name": "Oslo", "people": 7}]', text_format=City
    )
    assert parsed.output_parsed == City(name="Oslo", people=7)
    assert parsed.text is not None
    assert parsed.text.format is not None
    assert parsed.text.format.type == "json_schema"


class LookUp(BaseModel):
    """Look a city up."""

    city: str


def test_a_call_is_parsed(client: OpenAI, model: str) -> None:
    parsed = client.responses.parse(
        model=model,
        input='[call LookUp {"city": "Oslo"}]',
        tools=[openai.pydantic_function_tool(LookUp)],
    )
    [item] = parsed.output
    assert item.type == "function_call"
    assert item.parsed_arguments == LookUp(city="Oslo")


def test_one_goes_on_from_another_and_branches_off_an_earlier_one(client: OpenAI) -> None:
    first = ask(client, "a")
    second = ask(client, "b", previous_response_id=first.id)
    branch = ask(client, "c", previous_response_id=first.id)
    third = ask(client, "d", previous_response_id=second.id)
    assert second.output_text == reply("b", "2nd")
    assert branch.output_text == reply("c", "2nd")
    assert third.output_text == reply("d", "3rd")
    onwards = ask(client, "e", previous_response_id=branch.id, store=False)
    assert onwards.output_text == reply("e", "3rd")
    assert ask(client, "f", previous_response_id=branch.id).output_text == reply("f", "3rd")


def test_what_is_not_stored_is_not_found(client: OpenAI) -> None:
    response = ask(client, "a", store=False)
    assert response.store is False  # type: ignore[attr-defined]
    for look in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            look(response.id)
        assert (caught.value.param, caught.value.code) == ("response_id", "response_not_found")
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, "b", previous_response_id=response.id)
    assert caught.value.param == "previous_response_id"


def test_input_items_are_listed_page_by_page(client: OpenAI) -> None:
    texts = [f"text {number}" for number in range(5)]
    items: list[Any] = [{"role": "user", "content": text} for text in texts]
    response = client.responses.create(model=SCRIPTED, input=items)
    found = list(client.responses.input_items.list(response.id, limit=2, order="asc"))
    shown = [item.to_dict() for item in found]
    assert [item["content"][0]["text"] for item in shown] == texts  # type: ignore[index]
    latest = client.responses.input_items.list(response.id, limit=1)
    assert [item.id for item in latest.data] == [found[-1].id]
    assert latest.has_more


def test_an_item_is_referenced_by_its_id(client: OpenAI) -> None:
    first = ask(client, "hello")
    item = first.output[0]
    assert item.id is not None
    items: list[Any] = [
        {"role": "user", "content": "hello"},
        {"type": "item_reference", "id": item.id},
        {"role": "user", "content": "again"},
    ]
    second = client.responses.create(model=SCRIPTED, input=items)
    assert second.output_text == reply("again", "2nd")


def test_a_deleted_one_is_gone_and_what_went_on_from_it_stays(client: OpenAI) -> None:
    first = ask(client, "a")
    second = ask(client, "b", previous_response_id=first.id)
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    assert ask(client, "c", previous_response_id=second.id).output_text == reply("c", "3rd")


def test_one_in_the_background_is_looked_up_until_it_has_ended(client: OpenAI) -> None:
    response = ask(client, "[slow 0.02] [say One two three]", background=True)
    assert (response.status, response.output) == ("queued", [])
    ended = at_its_end(client, response.id)
    assert (ended.status, ended.output_text) == ("completed", "One two three")
    assert ended.background


def test_a_stream_is_gone_on_with_behind_an_event(client: OpenAI) -> None:
    events: list[ResponseStreamEvent] = []
    with client.responses.create(
        model=SCRIPTED, input="[slow 0.02] [say a b c d]", background=True, stream=True
    ) as stream:
        for event in stream:
            events.append(event)
            if event.type == "response.output_text.delta":
                break
    first = events[0]
    assert first.type == "response.created"
    id_, last = first.response.id, events[-1].sequence_number
    with client.responses.retrieve(id_, stream=True, starting_after=last) as stream:
        rest = list(stream)
    with client.responses.retrieve(id_, stream=True) as stream:
        again = list(stream)
    assert [event.to_dict() for event in events + rest] == [event.to_dict() for event in again]
    assert [event.sequence_number for event in again] == list(range(len(again)))
    assert again[-1].type == "response.completed"


def test_one_is_cancelled_and_stays_so(client: OpenAI) -> None:
    response = ask(client, "[slow 30] [say One two]", background=True)
    until(
        lambda: client.responses.retrieve(response.id).status == "in_progress" or None, "its start"
    )
    cancelled = client.responses.cancel(response.id)
    assert cancelled.status == "cancelled"
    again = client.responses.cancel(response.id)
    assert whole(again) == whole(client.responses.retrieve(response.id)) == whole(cancelled)


def test_only_one_in_the_background_is_cancelled(client: OpenAI) -> None:
    response = ask(client, "a")
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.cancel(response.id)
    assert "synchronous" in str(caught.value)


def test_one_that_fails_says_so_as_a_status_an_event_and_an_object(client: OpenAI) -> None:
    with pytest.raises(openai.InternalServerError):
        ask(client, "[fail]")
    with client.responses.create(
        model=SCRIPTED, input="[fail upstream_error after 1] [say One two]", stream=True
    ) as stream:
        last = list(stream)[-1]
    assert last.type == "response.failed"
    assert last.response.status == "failed"
    assert last.response.error is not None
    assert last.response.error.code == "server_error"
    assert whole(client.responses.retrieve(last.response.id)) == whole(last.response)
    background = at_its_end(client, ask(client, "[fail]", background=True).id)
    assert background.status == "failed"


def test_one_that_is_cut_says_why(client: OpenAI) -> None:
    response = ask(client, "[finish length] [say One]")
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"include": ["message.output_text.logprobs"]}, "include[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"truncation": "some"}, "truncation"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True, "store": False}, "background"),
        ({"input": [{"type": "file_search_call", "id": "x"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "x"}]}]}, "input[0].content[0].type"),
        ({"extra_body": {"messages": []}}, "messages"),
        ({"model": "gpt-nowhere"}, "model"),
    ],
)
def test_what_cannot_be_had_is_refused_by_its_name(
    client: OpenAI, fields: dict[str, Any], param: str
) -> None:
    fields = {"model": SCRIPTED, "input": "x"} | fields
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as caught:
        client.responses.create(**fields)
    assert caught.value.param == param


@asynchronous
def test_the_asynchronous_client(gateway: Gateway, run_async: RunAsync) -> None:
    async def test() -> None:
        async with async_client_of(gateway) as client:
            first = await client.responses.create(model=SCRIPTED, input="a")
            async with client.responses.stream(
                model=SCRIPTED, input="b", previous_response_id=first.id
            ) as stream:
                kinds = [event.type async for event in stream]
                final = await stream.get_final_response()
            items = [item async for item in client.responses.input_items.list(final.id)]
            await client.responses.delete(final.id)
        assert final.output_text == reply("b", "2nd")
        assert kinds[-1] == "response.completed"
        assert len(items) == 1

    run_async(test)
