"""OpenAI's Chat Completions, as the vendor serves them.

The one liberty is `reasoning_content`, by which compatible servers show what a model thinks. Source:
platform.openai.com, API reference, "Create chat completion", "Streaming events" and "Error codes".
"""

from collections.abc import Mapping

import msgspec

from tests.upstreams.api import KEY, Play
from tests.upstreams.openai.hearing import hear
from tests.upstreams.speech import Called, Heard, Json, Refused, Spoken, pieces

_FAILURES: dict[int, tuple[str, str | None, str]] = {
    # status: type, code, message
    400: ("invalid_request_error", "invalid_value", "Invalid value: 'messages'."),
    401: ("invalid_request_error", "invalid_api_key", f"Incorrect API key provided: {KEY}."),
    402: ("billing_error", None, "Insufficient balance."),
    403: ("request_forbidden", "unsupported_country_region_territory", "Country not supported."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("service_unavailable_error", "server_is_overloaded", "Our servers are overloaded."),
    529: ("service_unavailable_error", "server_is_overloaded", "Our servers are overloaded."),
}


class OpenAI:
    """An `Api`."""

    name = "openai"
    path = "/v1/chat/completions"
    stream_type = "text/event-stream; charset=utf-8"
    garbage = b"data: {not json\n\n"
    flood = b"data: "

    def hear(self, headers: Mapping[str, str], body: bytes) -> Heard:
        if headers.get("authorization") != f"Bearer {KEY}":
            raise self.failure(401, "")
        return hear(body)

    def failure(self, status: int, model: str) -> Refused:
        kind, code, message = _FAILURES[status]
        return Refused(status, message, kind=kind, code=code)

    def refusal(self, refused: Refused) -> bytes:
        return msgspec.json.encode(_envelope(refused))

    def headers(self, number: int) -> dict[str, str]:
        return {"x-request-id": f"req_{number}", "openai-version": "2020-10-01"}

    def whole(self, heard: Heard, spoken: Spoken, number: int) -> bytes:
        message: Json = {
            "role": "assistant",
            "content": spoken.text or None,
            "refusal": spoken.refusal or None,
            "annotations": [],
        }
        if spoken.thinking:
            message["reasoning_content"] = spoken.thinking
        if spoken.calls:
            message["tool_calls"] = [_call(n, c, number) for n, c in enumerate(spoken.calls)]
        choices = [
            {
                "index": index,
                "message": message,
                "logprobs": None,
                "finish_reason": _finish(spoken),
            }
            for index in range(heard.choices)
        ]
        head = _head(heard, number) | {"object": "chat.completion"}
        return msgspec.json.encode(head | {"choices": choices, "usage": _usage(spoken)})

    def stream(self, heard: Heard, spoken: Spoken, number: int) -> Play:
        head = _head(heard, number) | {"object": "chat.completion.chunk"}
        if heard.usage:
            head["usage"] = None

        def chunk(delta: Json, finish: str | None = None) -> bytes:
            told = {"delta": delta, "logprobs": None, "finish_reason": finish}
            choices = [{"index": index} | told for index in range(heard.choices)]
            events = [head | {"choices": [choice], "obfuscation": "k3Ha9"} for choice in choices]
            return b"".join(map(_event, events))

        role: Json = {"role": "assistant", "content": None if spoken.calls else "", "refusal": None}
        words = [chunk({"reasoning_content": piece}) for piece in pieces(spoken.thinking)]
        words += [chunk({"content": piece}) for piece in spoken.words]
        words += [chunk({"refusal": piece}) for piece in pieces(spoken.refusal)]
        for index, call in enumerate(spoken.calls):
            begun = _call(index, call, number) | {"index": index}
            arguments = msgspec.json.encode(call.arguments).decode()
            begun["function"] = {"name": call.name, "arguments": ""}
            words.append(chunk({"tool_calls": [begun]}))
            for piece in pieces(arguments):
                part = {"index": index, "function": {"arguments": piece}}
                words.append(chunk({"tool_calls": [part]}))
        closing = [chunk({}, _finish(spoken))]
        if heard.usage:
            none: list[Json] = []
            closing.append(_event(head | {"choices": none, "usage": _usage(spoken)}))
        return Play([chunk(role)], words, [*closing, b"data: [DONE]\n\n"])

    def overload(self) -> bytes:
        return _event(_envelope(self.failure(503, "")))


def _envelope(refused: Refused) -> Json:
    return {
        "error": {
            "message": refused.message,
            "type": refused.kind,
            "param": refused.param,
            "code": refused.code,
        }
    }


def _head(heard: Heard, number: int) -> Json:
    return {
        "id": f"chatcmpl-{number}",
        "created": 1_795_326_638,
        "model": heard.model,
        "service_tier": "default",
        "system_fingerprint": "fp_07871e2ad8",
    }


def _call(index: int, call: Called, number: int) -> Json:
    arguments = msgspec.json.encode(call.arguments).decode()
    function: Json = {"name": call.name, "arguments": arguments}
    return {"id": f"call_{number}x{index}", "type": "function", "function": function}


def _finish(spoken: Spoken) -> str:
    if spoken.reason == "filtered":
        return "content_filter"
    return "tool_calls" if spoken.calls and spoken.reason == "stop" else spoken.reason


def _usage(spoken: Spoken) -> Json:
    tokens = spoken.tokens
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.completion,
        "total_tokens": tokens.prompt + tokens.completion,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _event(data: object) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
