"""The OpenAPI document (3.1), made of the table of operations and of the structs that they name."""

from importlib.metadata import version
from typing import Any

import msgspec

from greenroom.http.errors import Envelope
from greenroom.http.openapi.operations import EVENTS, JSON, OPERATIONS, Operation, Parameter
from greenroom.http.openapi.shapes import ONE_OF, TYPES
from greenroom.http.openapi.stand_ins import StandIns

Json = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"

_ALWAYS_FAILS = (400, 401, 429, 500)
_FAILURES = {
    400: "The request can never work; `param` names the field.",
    401: "The bearer is wrong or missing.",
    402: "The provider's account is used up.",
    404: "It is not there.",
    408: "The body took too long.",
    409: "It does not go together with what is there.",
    413: "The body is too large.",
    415: "A form instead of JSON.",
    429: "A limit is reached; `retry-after-ms` says when to try again.",
    500: "The gateway's own fault.",
    502: "The provider failed.",
    503: "No room, or not now.",
    504: "The provider did not answer in time.",
}


def document() -> Json:
    """Return the document, as JSON."""
    stand_ins = StandIns(TYPES)
    kinds = [
        stand_ins.of(kind)
        for operation in OPERATIONS
        for kind in (operation.takes, operation.gives, operation.streams)
        if kind is not None
    ]
    shapes = [*kinds, stand_ins.of(Envelope)]
    patches = {place: _schemas(list(choices), stand_ins) for place, choices in ONE_OF.items()}
    _, components = msgspec.json.schema_components(shapes, ref_template=_REFERENCE)
    for (name, field), choices in patches.items():
        components[name]["properties"][field] = {"anyOf": choices}
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Greenroom",
            "version": version("greenroom"),
            "description": "An agent runtime behind the API of OpenAI.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": group} for group in dict.fromkeys(o.group for o in OPERATIONS)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas(kinds: list[object], stand_ins: StandIns) -> list[Json]:
    found, _ = msgspec.json.schema_components(
        [stand_ins.of(kind) for kind in kinds], ref_template=_REFERENCE
    )
    return list(found)


def _operation(operation: Operation) -> Json:
    told: Json = {
        "operationId": _id_of(operation),
        "tags": [operation.group],
        "summary": operation.about,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": {
            str(operation.status): {
                "description": "What was asked for.",
                "headers": {"x-request-id": {"schema": {"type": "string"}}},
                "content": _content(operation),
            },
            **{str(status): _failure(status, operation) for status in _statuses(operation)},
        },
    }
    if operation.takes is not None:
        told["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": _ref(operation.takes)}},
        }
    elif operation.takes_media != JSON:
        schema = {"type": "string"}
        told["requestBody"] = {
            "required": True,
            "content": {operation.takes_media: {"schema": schema}},
        }
    if operation.open:
        told["security"] = []
    return told


def _id_of(operation: Operation) -> str:
    words = [part.strip("{}").replace(".", "_") for part in operation.path.split("/") if part]
    return "_".join([operation.method, *(word for word in words if word != "v1")])


def _parameter(parameter: Parameter) -> Json:
    told: Json = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.about,
        "schema": parameter.schema,
        "required": parameter.place == "path",
    }
    if parameter.schema.get("type") == "object":
        told |= {"style": "deepObject", "explode": True}
    return told


def _content(operation: Operation) -> Json:
    if operation.gives is None:
        return {operation.media: {"schema": {"type": "string"}}}
    content: Json = {JSON: {"schema": _ref(operation.gives)}}
    if operation.streams is not None:
        told = f"Events of one line, `data: ` and a `{operation.streams.__name__}`; last `data: [DONE]`."
        content[EVENTS] = {"schema": {"type": "string", "description": told}}
    return content


def _statuses(operation: Operation) -> list[int]:
    always = () if operation.open else _ALWAYS_FAILS
    return sorted({*always, *operation.fails})


def _failure(status: int, operation: Operation) -> Json:
    schema = _ref(Envelope) if not operation.open else _ref(operation.gives or Envelope)
    return {"description": _FAILURES[status], "content": {JSON: {"schema": schema}}}


def _ref(kind: type[msgspec.Struct]) -> Json:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}
