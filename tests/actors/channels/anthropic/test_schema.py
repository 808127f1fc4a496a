"""A client's schema becomes one that the API can hold a model to."""

from greenroom.actors.channels.anthropic.schema import enforceable
from tests.actors.channels.conftest import Json


def test_objects_are_closed_at_every_depth() -> None:
    inner: Json = {"type": "object", "properties": {"c": {"type": "string"}}}
    closed = inner | {"additionalProperties": False}
    schema: Json = {
        "type": "object",
        "properties": {"a": inner, "b": {"type": "array", "items": inner}},
        "$defs": {"d": inner},
        "anyOf": [inner, {"$ref": "#/$defs/d"}],
    }
    assert enforceable(schema) == {
        "type": "object",
        "properties": {"a": closed, "b": {"type": "array", "items": closed}},
        "$defs": {"d": closed},
        "anyOf": [closed, {"$ref": "#/$defs/d"}],
        "additionalProperties": False,
    }


def test_an_object_that_says_it_is_open_is_left_to_the_api() -> None:
    schema: Json = {"type": "object", "additionalProperties": {"type": "string"}}
    assert enforceable(schema) == schema


def test_bounds_are_told_in_words() -> None:
    assert enforceable(
        {"type": "integer", "minimum": 1, "maximum": 9, "description": "A digit."}
    ) == {"type": "integer", "description": 'A digit.\n\n{"minimum":1,"maximum":9}'}
    assert enforceable({"type": "string", "maxLength": 3, "pattern": "a+"}) == {
        "type": "string",
        "pattern": "a+",
        "description": '{"maxLength":3}',
    }


def test_a_list_may_have_to_have_something_in_it() -> None:
    assert enforceable({"type": "array", "minItems": 1}) == {"type": "array", "minItems": 1}
    assert enforceable({"type": "array", "minItems": 2}) == {
        "type": "array",
        "description": '{"minItems":2}',
    }


def test_one_of_is_any_of() -> None:
    assert enforceable({"oneOf": [{"type": "null"}, True]}) == {"anyOf": [{"type": "null"}, True]}


def test_a_property_may_be_named_as_a_keyword() -> None:
    schema: Json = {"properties": {"minimum": {"type": "number"}, "oneOf": {"type": "null"}}}
    assert enforceable(schema) == schema | {"additionalProperties": False}


def test_odd_values_are_left_alone() -> None:
    assert enforceable({"items": True, "anyOf": 5, "enum": [{"minimum": 1}]}) == {
        "items": True,
        "anyOf": [],
        "enum": [{"minimum": 1}],
    }
