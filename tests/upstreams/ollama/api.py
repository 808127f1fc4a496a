"""Ollama's `/api/chat`, as Ollama's own server serves it: a JSON object a line.

Source: docs.ollama.com, "Generate a chat message", "Streaming", "Errors"; `ChatResponse` in Ollama's
`api/types.go`.
"""

from collections.abc import Mapping

import msgspec

from tests.upstreams.api import Play
from tests.upstreams.ollama.hearing import hear
from tests.upstreams.speech import Heard, Json, Refused, Spoken, pieces

_FAILURES = {
    400: "invalid options: top_p",
    401: "unauthorized",
    402: "this model requires a subscription, upgrade for access",
    403: "access to this server is not allowed",
    404: "model '{model}' not found",
    429: "you have reached your hourly usage limit",
    500: "llama runner process has terminated: exit status 2",
    503: "server busy, please try again.  maximum pending requests exceeded",
    529: "Server overloaded, please retry shortly",
}


class Ollama:
    """An `Api`."""

    name = "ollama"
    path = "/api/chat"
    stream_type = "application/x-ndjson"
    garbage = b"{not json\n"
    flood = b'{"message":{"role":"assistant","content":"'

    def hear(self, headers: Mapping[str, str], body: bytes) -> Heard:
        return hear(body)

    def failure(self, status: int, model: str) -> Refused:
        return Refused(status, _FAILURES[status].format(model=model))

    def refusal(self, refused: Refused) -> bytes:
        return msgspec.json.encode({"error": refused.message})

    def headers(self, number: int) -> dict[str, str]:
        return {}

    def whole(self, heard: Heard, spoken: Spoken, number: int) -> bytes:
        said: Json = {"content": spoken.text or spoken.refusal}
        if spoken.thinking:
            said["thinking"] = spoken.thinking
        if spoken.calls:
            said["tool_calls"] = _calls(spoken, number)
        return msgspec.json.encode(_line(heard, said) | _end(spoken))

    def stream(self, heard: Heard, spoken: Spoken, number: int) -> Play:
        said: list[Json] = [{"content": "", "thinking": piece} for piece in pieces(spoken.thinking)]
        said += [{"content": piece} for piece in pieces(spoken.text or spoken.refusal)]
        said += [{"content": "", "tool_calls": [call]} for call in _calls(spoken, number)]
        words = [_written(_line(heard, message)) for message in said]
        return Play([], words, [_written(_line(heard, {"content": ""}) | _end(spoken))])

    def overload(self) -> bytes:
        return _written({"error": _FAILURES[529]})


def _line(heard: Heard, message: Json) -> Json:
    return {
        "model": heard.model,
        "created_at": "2026-11-20T10:00:00.123456789Z",
        "message": {"role": "assistant"} | message,
        "done": False,
    }


def _calls(spoken: Spoken, number: int) -> list[Json]:
    return [
        {
            "id": f"call_{number}x{index}",
            "function": {"index": index, "name": call.name, "arguments": call.arguments},
        }
        for index, call in enumerate(spoken.calls)
    ]


def _end(spoken: Spoken) -> Json:
    """Return what the last line has more; counts of 0 are left out, as Go leaves them out."""
    tokens = spoken.tokens
    counts = {"prompt_eval_count": tokens.prompt, "eval_count": tokens.completion}
    times = {"total_duration": 4883583458, "load_duration": 1334875, "eval_duration": 4799921000}
    reason = "length" if spoken.reason == "length" else "stop"
    end: Json = {"done": True, "done_reason": reason}
    return end | times | {name: count for name, count in counts.items() if count}


def _written(line: Json) -> bytes:
    return msgspec.json.encode(line) + b"\n"
