"""The values of a request's fields, one by one: ranges, sizes, and what only goes with something else.

It knows the bounds that OpenAI's API reference gives. Whether a model can do what is asked is its
channel's to say.
"""

import re
from collections.abc import Mapping

from greenroom.http.errors import invalid
from greenroom.http.wire import ChatRequest, ResponseFormat

INT64 = 2**63
MOST_CHOICES = 128
MOST_LOGPROBS = 20
MOST_STOPS = 4
MOST_BIAS = 100
MOST_METADATA = 16
LONGEST_METADATA_KEY = 64
LONGEST_METADATA_VALUE = 512

_SCHEMA_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
_MODALITIES = {"text", "audio"}


def check_values(request: ChatRequest) -> None:
    """Refuse the first value that is out of its bounds, in the product's order.

    Raises:
        ApiError: 400, naming the field.
    """
    if not request.model.strip():
        raise invalid("you must provide a model parameter")
    if not request.messages:
        raise invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
            "messages",
            code="empty_array",
        )
    if request.stream_options is not None and not request.stream:
        raise invalid("`stream_options` is only allowed when `stream` is true.", "stream_options")
    for name in ("max_completion_tokens", "max_tokens"):
        limit: int | None = getattr(request, name)
        if limit is not None and not 1 <= limit < INT64:
            raise invalid(f"`{name}` must be at least 1.", name, "integer_below_min_value")
    _check_form(request)
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    if len(stops) > MOST_STOPS or not all(stops):
        raise invalid(f"`stop` must be 1 to {MOST_STOPS} strings, none of them empty.", "stop")
    _between(request.temperature, "temperature", 0, 2)
    _between(request.top_p, "top_p", 0, 1)
    _between(request.frequency_penalty, "frequency_penalty", -2, 2)
    _between(request.presence_penalty, "presence_penalty", -2, 2)
    if request.seed is not None and not -INT64 <= request.seed < INT64:
        raise invalid("`seed` must be a 64-bit integer.", "seed")
    for token, bias in (request.logit_bias or {}).items():
        _between(bias, f"logit_bias.{token}", -MOST_BIAS, MOST_BIAS)


def check_metadata(metadata: Mapping[str, str] | None) -> None:
    """Refuse more or longer pairs than the API has.

    Raises:
        ApiError: 400.
    """
    if len(metadata or ()) > MOST_METADATA:
        raise invalid(f"`metadata` must have at most {MOST_METADATA} pairs.", "metadata")
    for key, value in (metadata or {}).items():
        if len(key) > LONGEST_METADATA_KEY:
            raise invalid(
                f"A key of `metadata` must have at most {LONGEST_METADATA_KEY} characters.",
                "metadata",
                "string_above_max_length",
            )
        if len(value) > LONGEST_METADATA_VALUE:
            raise invalid(
                f"A value of `metadata` must have at most {LONGEST_METADATA_VALUE} characters.",
                f"metadata.{key}",
                "string_above_max_length",
            )


def _check_form(request: ChatRequest) -> None:
    """Refuse a form of the answer that there is not."""
    if request.response_format is not None:
        _check_format(request.response_format)
    _between(request.n, "n", 1, MOST_CHOICES)
    _between(request.top_logprobs, "top_logprobs", 0, MOST_LOGPROBS)
    if request.top_logprobs is not None and not request.logprobs:
        raise invalid("`top_logprobs` needs `logprobs` to be true.", "top_logprobs")
    if set(request.modalities or ()) - _MODALITIES:
        raise invalid("`modalities` must be text or audio.", "modalities", "unsupported_value")
    check_metadata(request.metadata)


def _check_format(wanted: ResponseFormat) -> None:
    if wanted.type != "json_schema":
        return
    param = "response_format.json_schema"
    schema = wanted.json_schema
    if schema is None:
        raise invalid(
            f"Missing required parameter: '{param}'.", param, "missing_required_parameter"
        )
    if not _SCHEMA_NAME.fullmatch(schema.name):
        raise invalid(
            f"Invalid '{param}.name': a name is 1 to 64 of a-z, A-Z, 0-9, _ and -.",
            f"{param}.name",
            "invalid_value",
        )
    if schema.strict:
        root = (schema.schema or {}).get("type")
        if root is None or bytes(root) != b'"object"':
            raise invalid(
                f"Invalid '{param}.schema': with `strict`, its type must be object.",
                f"{param}.schema",
                "invalid_value",
            )


def _between(value: float | None, name: str, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise invalid(f"`{name}` must be between {low} and {high}.", name, "invalid_value")
