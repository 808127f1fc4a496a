"""Rules of a request's fields: ranges, null, the order of the checks, and what is passed on as given."""

import json
from typing import Any

import pytest

from greenroom.actors.channels.openai.fields import FIELDS
from greenroom.actors.entries import Sampling, UserEntry
from greenroom.http.checks import Order, read_order
from greenroom.http.errors import ApiError
from tests.http.conftest import chat, closed_house, exchange_of

HOUSE = closed_house()


def read(
    body: object, headers: dict[str, str] | None = None, *, session_from_user: bool = True
) -> Order:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    exchange = exchange_of(headers)
    return read_order(data, exchange, HOUSE, max_depth=64, session_from_user=session_from_user)


def refused(body: object, headers: dict[str, str] | None = None) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read(body, headers)
    return caught.value


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in chat().items() if key != name}


def test_the_plainest_request_asks_for_a_whole_answer_with_the_models_own_sampling() -> None:
    order = read(chat())
    assert (order.stream, order.include_usage, order.turn.model) == (False, False, "openclaw")
    turn = order.turn
    assert turn.entries == (UserEntry("Hello"),)
    assert turn.sampling == Sampling()
    assert (turn.tools, turn.tool_choice, turn.parallel_tool_calls, turn.extra) == (
        (),
        None,
        None,
        {},
    )


def test_every_turn_has_an_id_of_its_own() -> None:
    assert read(chat()).turn.id != read(chat()).turn.id


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("temperature", [0, 0.0, 1.3, 2]),
        ("top_p", [0, 0.5, 1]),
        ("frequency_penalty", [-2, 0, 2]),
        ("presence_penalty", [-2, 0, 2]),
        ("max_tokens", [1, 4096]),
        ("max_completion_tokens", [1, 4096]),
        ("seed", [0, -(2**63), 2**63 - 1]),
    ],
)
def test_a_value_within_its_range_reaches_the_model(field: str, values: list[float]) -> None:
    for value in values:
        name = "max_tokens" if field.startswith("max") else field
        assert getattr(read(chat(**{field: value})).turn.sampling, name) == value


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("temperature", [-0.1, 2.1, 1e300]),
        ("top_p", [-0.1, 1.1]),
        ("frequency_penalty", [-2.1, 2.1]),
        ("presence_penalty", [-2.1, 2.1]),
        ("max_tokens", [0, -1, 2**63]),
        ("max_completion_tokens", [0, -1, 2**70]),
        ("seed", [-(2**63) - 1, 2**63]),
        ("n", [0, 129, -1]),
        ("top_logprobs", [-1, 21, 3]),
        ("stop", ["", [""], ["a"] * 5, ["a", ""]]),
        ("function_call", ["required"]),
        ("stream_options", [{"include_usage": True}]),
    ],
)
def test_a_value_outside_of_its_range_is_refused_by_name(field: str, values: list[Any]) -> None:
    for value in values:
        error = refused(chat(**{field: value}))
        assert (error.status, error.body.type) == (400, "invalid_request_error")
        assert error.body.param == field
        assert f"`{field}`" in error.body.message


def test_the_message_of_a_range_is_the_products() -> None:
    assert refused(chat(temperature=3)).body.message == "`temperature` must be between 0 and 2."


OTHER_TYPES: list[tuple[str, list[Any]]] = [
    ("model", [4, [], {}]),
    ("messages", ["Hello", {}, 4, None]),
    ("stream", ["true", 1, []]),
    ("stream_options", [True, []]),
    ("temperature", ["1", [], True]),
    ("top_p", ["1", True]),
    ("frequency_penalty", ["0"]),
    ("presence_penalty", ["0"]),
    ("max_tokens", ["5", 1.5, True]),
    ("max_completion_tokens", ["5", 1.5]),
    ("n", ["1", 1.5]),
    ("logprobs", [1, "true"]),
    ("top_logprobs", ["1", 1.5]),
    ("modalities", ["text", {}]),
    ("audio", ["alloy", []]),
    ("reasoning_effort", [1, {}]),
    ("store", ["true", 1]),
    ("functions", [{}, "f"]),
    ("stop", [4, {}]),
    ("seed", ["1", 0.5]),
    ("tools", [{}, "f"]),
    ("parallel_tool_calls", ["true", 1]),
    ("logit_bias", [[], "a"]),
    ("verbosity", [1, []]),
    ("prediction", ["text", []]),
    ("service_tier", [1]),
    ("safety_identifier", [{}]),
    ("prompt_cache_key", [1]),
    ("prompt_cache_options", ["explicit"]),
    ("prompt_cache_retention", [24]),
    ("moderation", ["omni"]),
    ("web_search_options", [True]),
]


@pytest.mark.parametrize(("field", "values"), OTHER_TYPES)
def test_a_value_of_another_type_is_refused_by_name(field: str, values: list[Any]) -> None:
    for value in values:
        error = refused(chat(**{field: value}))
        assert (error.status, error.body.param, error.body.code) == (400, field, "invalid_type")


def test_a_bias_out_of_its_bounds_is_named_by_its_token() -> None:
    assert refused(chat(logit_bias={"7": 101})).body.param == "logit_bias.7"
    assert read(chat(logit_bias={"7": -100})).turn.extra == {"logit_bias": b'{"7": -100}'}


def test_a_wrong_type_inside_of_a_field_is_named_by_its_path() -> None:
    assert refused(chat(stop=["a", 4])).body.param == "stop[1]"
    options = refused(chat(stream=True, stream_options={"include_usage": "yes"}))
    assert options.body.param == "stream_options.include_usage"


@pytest.mark.parametrize("text", [b"1e999", b"-1e999", b"NaN", b"Infinity"])
def test_a_number_that_is_none_is_refused(text: bytes) -> None:
    refused(json.dumps(chat()).encode()[:-1] + b',"temperature":' + text + b"}")


def test_null_is_absent() -> None:
    fields = FIELDS - {"model", "messages"}
    order = read(chat(**dict.fromkeys(fields)))
    assert order.turn.sampling == Sampling()
    assert order.selection.ephemeral
    assert (order.stream, order.turn.tools, order.turn.extra) == (False, (), {})


@pytest.mark.parametrize("field", ["model", "messages"])
def test_a_required_field_that_is_missing_is_named(field: str) -> None:
    error = refused(without(field))
    assert (error.status, error.body.param) == (400, field)
    assert error.body.code == "missing_required_parameter"


@pytest.mark.parametrize("model", ["", " "])
def test_a_model_is_not_empty(model: str) -> None:
    assert refused(chat(model=model)).body.message == "you must provide a model parameter"


def test_no_messages_at_all_are_an_empty_array() -> None:
    error = refused({"model": "openclaw", "messages": []})
    assert (error.body.param, error.body.code) == ("messages", "empty_array")


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_a_request_without_a_user_or_a_tool_has_nothing_to_answer(role: str) -> None:
    error = refused({"model": "openclaw", "messages": [{"role": role, "content": "x"}]})
    assert (error.status, error.body.message) == (400, "Missing user message in `messages`.")


def test_a_tools_result_is_something_to_answer() -> None:
    messages = [{"role": "tool", "tool_call_id": "c", "content": "x"}]
    assert read({"model": "openclaw", "messages": messages}).turn.entries


def test_one_stop_and_a_list_of_stops_are_the_same() -> None:
    assert read(chat(stop="a")).turn.sampling.stop == ("a",)
    assert read(chat(stop=["a", "b"])).turn.sampling.stop == ("a", "b")
    assert read(chat(stop=[])).turn.sampling.stop == ()


def test_the_preferred_name_of_the_token_cap_wins() -> None:
    assert read(chat(max_tokens=5, max_completion_tokens=7)).turn.sampling.max_tokens == 7


def test_parallel_tool_calls_mean_nothing_without_tools() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    assert read(chat(parallel_tool_calls=False)).turn.parallel_tool_calls is None
    assert read(chat(parallel_tool_calls=False, tools=[tool])).turn.parallel_tool_calls is False


def test_usage_is_asked_for_in_a_stream() -> None:
    assert read(chat(stream=True, stream_options={"include_usage": True})).include_usage
    assert not read(chat(stream=True, stream_options={"include_obfuscation": True})).include_usage


@pytest.mark.parametrize(
    ("fields", "choices", "likelihoods"),
    [
        ({}, 1, None),
        ({"n": 1, "logprobs": False, "top_logprobs": None}, 1, None),
        ({"n": 5, "logprobs": True}, 5, 0),
        ({"logprobs": True, "top_logprobs": 20}, 1, 20),
    ],
)
def test_choices_and_likelihoods_reach_the_model(
    fields: dict[str, object], choices: int, likelihoods: int | None
) -> None:
    sampling = read(chat(**fields)).turn.sampling
    assert (sampling.choices, sampling.top_logprobs) == (choices, likelihoods)


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"user": "ann"}, {}),
        ({}, {"x-openclaw-session-key": "k"}),
        ({}, {"idempotency-key": "k"}),
    ],
)
def test_a_session_has_one_answer(fields: dict[str, Any], headers: dict[str, str]) -> None:
    error = refused(chat(n=2, **fields), headers)
    assert (error.status, error.body.param, error.body.code) == (400, "n", "unsupported_value")
    assert read(chat(n=1, **fields), headers).turn.sampling.choices == 1


# What is not ours


def test_fields_that_are_not_known_are_passed_on_byte_by_byte() -> None:
    body = (
        b'{"model":"openclaw","x":  {"a" : 1.50, "b":[1 ,2]} ,"messages":'
        b'[{"role":"user","content":"Hi"}],'
        b'"reasoning_effort":"low","seed":4,"\\u0061b":"\\u00e4","response_format":{"type":"text"},"off":null}'
    )
    assert read(body).turn.extra == {
        "x": b'{"a" : 1.50, "b":[1 ,2]}',
        "reasoning_effort": b'"low"',
        "ab": b'"\\u00e4"',
        "response_format": b'{"type":"text"}',
        "off": b"null",
    }


def test_a_known_field_is_not_passed_on_a_second_time() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    full = chat(
        stream=True, stream_options={"include_usage": True}, temperature=1, top_p=1, n=1,
        frequency_penalty=0, presence_penalty=0, max_tokens=1, max_completion_tokens=1, stop="a",
        seed=1, tools=[tool], tool_choice="auto", parallel_tool_calls=True, logprobs=True,
        top_logprobs=2, metadata={"a": "b"}, store=False,
    )  # fmt: skip
    assert read(full).turn.extra == {}


def test_what_is_the_gateways_own_business_is_not_passed_on() -> None:
    assert read(chat(store=False, metadata={"a": "b"})).turn.extra == {}


def test_a_user_is_passed_on_where_it_is_a_string() -> None:
    assert read(chat(user="ann")).turn.extra == {"user": b'"ann"'}
    for other in ({"id": 1}, ["ann"], 4, "", None):
        assert read(chat(user=other)).turn.extra == {}


def test_what_is_not_read_must_be_utf_8_all_the_same() -> None:
    error = refused(json.dumps(chat()).encode()[:-1] + b',"x":"\xff"}')
    assert error.status == 400


# The order of the checks

STEPS: list[tuple[dict[str, Any], str | None]] = [
    ({"stream": "yes"}, "stream"),
    ({"max_completion_tokens": 0}, "max_completion_tokens"),
    ({"stop": [""]}, "stop"),
    ({"temperature": 3}, "temperature"),
    ({"model": "openclaw:nobody"}, "model"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "messages"),
]  # fmt: skip


@pytest.mark.parametrize("first", range(len(STEPS)))
def test_of_several_wrong_things_the_first_in_order_is_told(first: int) -> None:
    wrong: dict[str, Any] = {}
    for fields, _ in reversed(STEPS[first:]):
        wrong |= fields
    assert refused(chat(**wrong)).body.param == STEPS[first][1]


def test_the_agent_comes_before_the_model_and_the_model_before_the_tools() -> None:
    bad_tools: dict[str, Any] = {"tools": [{}]}
    nobody = {"x-openclaw-agent-id": "nobody"}
    assert refused(chat(model="gpt-9", **bad_tools), nobody).body.param == "x-openclaw-agent-id"
    assert refused(chat(model="gpt-9", **bad_tools)).status == 404


def test_an_image_comes_after_the_tools_and_before_the_missing_user() -> None:
    image = {"type": "image_url", "image_url": {"url": "ftp://h"}}
    messages = [{"role": "system", "content": [image]}]
    body: dict[str, Any] = {"model": "openclaw", "messages": messages}
    bad_tools: list[Any] = [{}]
    assert refused({**body, "tools": bad_tools}).body.param == "tools[0].type"
    assert refused(body).body.param == "messages[0].content[0].image_url.url"


def test_depth_comes_first() -> None:
    nested: list[object] = []
    for _ in range(70):
        nested = [nested]
    assert refused({"nested": nested, "model": 4}).body.code == "nesting_too_deep"


def test_a_session_from_a_user_can_be_switched_off() -> None:
    assert read(chat(user="ann")).selection.session == "agent:main:openai-user:ann"
    order = read(chat(user="ann"), session_from_user=False)
    assert order.selection.ephemeral
    assert order.turn.ephemeral
    assert order.turn.extra == {"user": b'"ann"'}


def schema_of(**fields: object) -> dict[str, object]:
    """A response format with a schema."""
    return {"type": "json_schema", "json_schema": {"name": "x", **fields}}


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("response_format", "json", "response_format"),
        ("response_format", {"type": "xml"}, "response_format.type"),
        ("response_format", {"type": "json_schema"}, "response_format.json_schema"),
        ("response_format", schema_of(name=None), "response_format.json_schema.name"),
        ("response_format", schema_of(name=""), "response_format.json_schema.name"),
        ("response_format", schema_of(name="a b"), "response_format.json_schema.name"),
        ("response_format", schema_of(name="a" * 65), "response_format.json_schema.name"),
        ("response_format", schema_of(schema=[]), "response_format.json_schema.schema"),
        ("response_format", schema_of(strict="yes"), "response_format.json_schema.strict"),
        ("response_format", schema_of(strict=True), "response_format.json_schema.schema"),
        (
            "response_format",
            schema_of(strict=True, schema={"type": "array"}),
            "response_format.json_schema.schema",
        ),
        ("modalities", ["text", "image"], "modalities"),
        ("metadata", {str(i): "" for i in range(17)}, "metadata"),
        ("metadata", {"a": 1}, "metadata[...]"),
        ("metadata", {"a" * 65: ""}, "metadata"),
        ("metadata", {"a": "b" * 513}, "metadata.a"),
    ],
)
def test_what_cannot_be_given_is_refused_by_name(field: str, value: object, param: str) -> None:
    error = refused(chat(**{field: value}))
    assert (error.status, error.body.param) == (400, param)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("logprobs", False),
        ("logprobs", True),
        ("n", 128),
        ("response_format", schema_of()),
        ("response_format", schema_of(schema={"type": "array"})),
        ("response_format", schema_of(strict=True, schema={"type": "object"})),
        ("modalities", ["text", "audio"]),
        ("audio", {"format": "wav", "voice": {"id": "v"}}),
        ("reasoning_effort", "enormous"),
        ("metadata", {"a" * 64: "b" * 512}),
        ("functions", []),
        ("function_call", "auto"),
        ("store", False),
    ],
)
def test_what_can_be_given_is_taken(field: str, value: object) -> None:
    assert read(chat(**{field: value})).turn.extra.keys() <= {field}
