"""Anthropic's Messages API, as the vendor serves it.

Source: platform.claude.com, API reference, "Create a Message", "Streaming Messages", "Errors".
"""

from collections.abc import Mapping

import msgspec

from tests.upstreams.anthropic.hearing import SIGNATURE, hear
from tests.upstreams.api import KEY, Play
from tests.upstreams.speech import Heard, Json, Refused, Spoken, pieces

_FAILURES = {
    # status: type, message
    400: ("invalid_request_error", "messages.0.content: Input should be a valid list"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "Your API key does not have permission to use this resource."),
    404: ("not_found_error", "model: {model}"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error"),
    503: ("api_error", "Service unavailable"),
    529: ("overloaded_error", "Overloaded"),
}

_REASONS = {"stop": "end_turn", "length": "max_tokens", "filtered": "refusal"}


class Anthropic:
    """An `Api`."""

    name = "anthropic"
    path = "/v1/messages"
    stream_type = "text/event-stream; charset=utf-8"
    garbage = b"event: content_block_delta\ndata: {not json\n\n"
    flood = b"event: content_block_delta\ndata: "

    def hear(self, headers: Mapping[str, str], body: bytes) -> Heard:
        bearer = headers.get("authorization", "")
        if KEY not in {headers.get("x-api-key"), bearer.removeprefix("Bearer ")}:
            raise self.failure(401, "")
        if headers.get("anthropic-version") not in {"2023-06-01", "2026-10-21"}:
            what = "anthropic-version: header is required"
            raise Refused(400, what, kind="invalid_request_error")
        return hear(body)

    def failure(self, status: int, model: str) -> Refused:
        kind, message = _FAILURES[status]
        return Refused(status, message.format(model=model), kind=kind)

    def refusal(self, refused: Refused) -> bytes:
        return msgspec.json.encode(_envelope(refused))

    def headers(self, number: int) -> dict[str, str]:
        return {"request-id": f"req_{number}", "anthropic-organization-id": "org_1"}

    def whole(self, heard: Heard, spoken: Spoken, number: int) -> bytes:
        blocks: list[Json] = []
        if spoken.thinking:
            thinking = {"thinking": spoken.thinking, "signature": SIGNATURE}
            blocks.append({"type": "thinking"} | thinking)
        if said := spoken.text or spoken.refusal:
            blocks.append({"type": "text", "text": said})
        blocks += [
            {"type": "tool_use", "id": _id(number, n), "name": c.name, "input": c.arguments}
            for n, c in enumerate(spoken.calls)
        ]
        message = _message(heard, spoken, number) | {"content": blocks}
        message |= {"stop_reason": _reason(spoken)}
        message["usage"] = _usage_in(spoken) | _usage_out(spoken)
        return msgspec.json.encode(message)

    def stream(self, heard: Heard, spoken: Spoken, number: int) -> Play:
        start = _message(heard, spoken, number)
        start["usage"] = _usage_in(spoken) | {"output_tokens": 1}
        delta = {"stop_reason": _reason(spoken), "stop_sequence": None}
        return Play(
            [_event({"type": "message_start", "message": start}), _event({"type": "ping"})],
            _blocks(spoken, number),
            [
                _event({"type": "message_delta", "delta": delta, "usage": _usage_out(spoken)}),
                _event({"type": "message_stop"}),
            ],
        )

    def overload(self) -> bytes:
        return _event(_envelope(self.failure(529, "")))


def _blocks(spoken: Spoken, number: int) -> list[bytes]:
    """Return the events of the content blocks, those before a block's first delta with it."""
    out: list[bytes] = []
    index = 0

    def block(begun: Json, deltas: list[Json]) -> None:
        nonlocal index
        where: Json = {"index": index}
        opened = _event({"type": "content_block_start"} | where | {"content_block": begun})
        for delta in deltas:
            out.append(opened + _event({"type": "content_block_delta"} | where | {"delta": delta}))
            opened = b""
        out[-1] += _event({"type": "content_block_stop"} | where)
        index += 1

    if spoken.thinking:
        deltas: list[Json] = [
            {"type": "thinking_delta", "thinking": piece} for piece in pieces(spoken.thinking)
        ]
        signed: Json = {"type": "signature_delta", "signature": SIGNATURE}
        block({"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed])
    if said := spoken.text or spoken.refusal:
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(said)]
        block({"type": "text", "text": ""}, deltas)
    for place, call in enumerate(spoken.calls):
        arguments = msgspec.json.encode(call.arguments).decode()
        # The first fragment is empty, as the vendor's is; a call without arguments has no other.
        fragments = ["", *(pieces(arguments) if call.arguments else [])]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in fragments]
        begun: Json = {"type": "tool_use", "id": _id(number, place), "name": call.name}
        block(begun | {"input": {}}, deltas)
    return out


def _envelope(refused: Refused) -> Json:
    error = {"type": refused.kind, "message": refused.message}
    return {"type": "error", "error": error, "request_id": "req_1"}


def _message(heard: Heard, spoken: Spoken, number: int) -> Json:
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": heard.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _id(number: int, place: int) -> str:
    return f"toolu_{number}x{place}"


def _reason(spoken: Spoken) -> str:
    return "tool_use" if spoken.calls and spoken.reason == "stop" else _REASONS[spoken.reason]


def _usage_in(spoken: Spoken) -> Json:
    tokens = spoken.tokens
    return {
        "input_tokens": tokens.prompt - tokens.cached - tokens.written,
        "cache_creation_input_tokens": tokens.written,
        "cache_read_input_tokens": tokens.cached,
        "service_tier": "standard",
    }


def _usage_out(spoken: Spoken) -> Json:
    tokens = spoken.tokens
    usage: Json = {"output_tokens": tokens.completion}
    if tokens.reasoning:
        usage["output_tokens_details"] = {"thinking_tokens": tokens.reasoning}
    return usage


def _event(data: Json) -> bytes:
    return f"event: {data['type']}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"
