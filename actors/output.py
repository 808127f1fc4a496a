"""Answers of a given form: a JSON Schema, and a check that says what is wrong with a text."""

from typing import Any, Protocol, TypeVar, cast

import msgspec

T = TypeVar("T")

MOST_REPAIRS = 2
"""How often a model is asked again whose answer has not the form."""


class Output(Protocol):
    """The form of an agent's answers."""

    @property
    def name(self) -> str:
        """What models are told that it is called: 1 to 64 letters, digits, `_` and `-`."""
        ...

    @property
    def schema(self) -> bytes:
        """The form as a JSON Schema."""
        ...

    def problem(self, text: str) -> str | None:
        """Return what is wrong with a text, None if it has the form."""
        ...


class Typed:
    """The form of a type that msgspec can decode, or of a pydantic model."""

    def __init__(self, type_: type[Any]) -> None:
        self.name = type_.__name__
        self._type = type_
        self._is_model = hasattr(type_, "model_validate_json")
        schema = (
            cast("Any", type_).model_json_schema() if self._is_model else msgspec.json.schema(type_)
        )
        self.schema = msgspec.json.encode(schema)

    def problem(self, text: str) -> str | None:
        try:
            self.read(text)
        except ValueError as error:  # msgspec's and pydantic's are both
            return str(error)
        return None

    def read(self, text: str) -> Any:
        """Return the value of a text; raises ValueError."""
        if self._is_model:
            return cast("Any", self._type).model_validate_json(text)
        return msgspec.json.decode(text, type=self._type)


class Schema:
    """The form of a JSON Schema."""

    def __init__(self, name: str, schema: dict[str, Any]) -> None:
        """Take a schema; raises ValueError if it is none."""
        # It takes 60 ms and 10 MB, which only those pay who use it.
        from jsonschema import SchemaError  # noqa: PLC0415
        from jsonschema.validators import validator_for  # noqa: PLC0415

        kind = validator_for(schema)
        try:
            kind.check_schema(schema)
        except SchemaError as error:
            raise ValueError(f"this is no JSON Schema: {error.message}") from None
        self.name = name
        self.schema = msgspec.json.encode(schema)
        self._validator = kind(schema)

    def problem(self, text: str) -> str | None:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            return f"it is no JSON: {error}"
        found = next(iter(self._validator.iter_errors(value)), None)
        return None if found is None else f"{found.message}, at {found.json_path}"


def repair(problem: str) -> str:
    """Return what a model is told whose answer has not the form."""
    return (
        f"That answer does not have the form that is needed: {problem}. Answer again, with the JSON "
        "alone: no words before or behind it, and no code fence."
    )


def response_format(output: Output) -> bytes:
    """Return the form as requests of OpenAI's type ask for it."""
    return msgspec.json.encode(
        {
            "type": "json_schema",
            "json_schema": {"name": output.name, "schema": msgspec.Raw(output.schema)},
        }
    )
