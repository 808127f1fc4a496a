"""Answers in the shape in which servers send them, each a text or a call with its thinking and counts.

They were written down from what the servers' documentation, sources and users show, not recorded live.
"""

from typing import Any, NamedTuple

import msgspec

from greenroom.actors.channels.channel import (
    Delta,
    Finish,
    FinishReason,
    ReasoningDelta,
    Stamp,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import Keepsake
from tests.actors.channels.conftest import DONE, Json, event

STOP = Finish(FinishReason.STOP)
CALLED = Finish(FinishReason.TOOL_CALLS)
COUNTED = Usage(9, 4)
COUNTS: Json = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
HI: list[Delta] = [TextDelta("Hi"), TextDelta("!"), STOP, COUNTED]
CITY: list[Delta] = [ToolCallStart(0, "c1", "f"), ToolCallArguments(0, '{"city":"Paris"}'), CALLED]


class Transcript(NamedTuple):
    """What a server sent, and what it comes to."""

    body: bytes
    deltas: list[Delta]


def stream(head: Json, *chunks: Json, before: bytes = b"", done: bytes = DONE) -> bytes:
    """Write a stream whose chunks all have the fields of `head`."""
    return before + b"".join(event(head | chunk) for chunk in chunks) + done


def part(delta: Json | None, finish: str | None = None, **more: object) -> Json:
    """Return the one choice of a chunk."""
    given: Json = {} if delta is None else {"delta": delta}
    return {"choices": [{"index": 0, "finish_reason": finish} | given | more]}


def call(**fields: Any) -> Json:
    """Return a delta with a tool call, whose name and arguments are its function's."""
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    return {"tool_calls": [fields | {"function": function}]}


def head(**more: object) -> Json:
    """Return the fields of a chunk beside its choices."""
    return {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1771000000,
        "model": "m",
    } | more


PARIS = '{"city":"Paris"}'
SAFE = {"hate": {"filtered": False, "severity": "safe"}}
DETAILS: Json = {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1"}


def thought(**fields: object) -> Keepsake:
    """Return what is kept of an answer of a provider without a name."""
    return Keepsake("openai-completions", msgspec.json.encode({"provider": "", **fields}))


TRANSCRIPTS: dict[str, Transcript] = {
    "azure": Transcript(
        stream(
            head(system_fingerprint="fp"),
            {
                "choices": [],
                "created": 0,
                "id": "",
                "model": "",
                "object": "",
                "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}],
            },
            part({"role": "assistant", "content": "", "refusal": None}, content_filter_results={}),
            part({"content": "Hi"}, content_filter_results=SAFE, logprobs=None),
            part({"content": "!"}, content_filter_results=SAFE),
            part(None, content_filter_offsets={"check_offset": 1}, content_filter_results=SAFE),
            part({}, "stop", content_filter_results={}),
            {"choices": [], "usage": COUNTS},
        ),
        [Stamp("fp"), *HI],
    ),
    "gemini": Transcript(
        stream(
            head(),
            part(
                {"content": "<thought>h", "extra_content": {"google": {"thought": True}}},
            ),
            part({"content": "m", "extra_content": {"google": {"thought": True}}}),
            part({"content": "</thought>Hi", "role": "assistant"}, usage=COUNTS),
            part(
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "extra_content": {"google": {"thought_signature": "c2ln"}},
                            "function": {"arguments": PARIS, "name": "f"},
                            "id": "c1",
                            "index": 0,
                            "type": "function",
                        }
                    ],
                }
            )
            | {"usage": COUNTS | {"completion_tokens": 3}},
            part({"role": "assistant"}, "stop") | {"usage": COUNTS},
        ),
        [
            ReasoningDelta("h"),
            ReasoningDelta("m"),
            TextDelta("Hi"),
            ToolCallStart(
                0, "c1", "f", extra=b'{"extra_content":{"google":{"thought_signature":"c2ln"}}}'
            ),
            *CITY[1:],
            COUNTED,
        ],
    ),
    "gemini of old, two calls without index and id": Transcript(
        stream(
            head(),
            part(call(id="", type="function", name="f", arguments=PARIS)),
            part(call(id="", type="function", name="f", arguments='{"city":"Rome"}')),
            part({}, "stop"),
        ),
        [
            ToolCallStart(0, "new-0", "f"),
            ToolCallArguments(0, PARIS),
            ToolCallStart(1, "new-1", "f"),
            ToolCallArguments(1, '{"city":"Rome"}'),
            CALLED,
        ],
    ),
    "vllm": Transcript(
        stream(
            head(),
            part({"role": "assistant", "content": "", "reasoning_content": None}, logprobs=None),
            part({"reasoning": "hm", "reasoning_content": "hm"}),
            part(call(index=0, id="c1", type="function", name="f") | {"content": None}),
            part(call(index=0, arguments='{"city":')),
            part(call(index=0, arguments='"Paris"}')),
            part({"content": ""}, "tool_calls", stop_reason=None, token_ids=None),
            {"choices": [], "usage": COUNTS | {"prompt_tokens_details": None}},
        ),
        [
            ReasoningDelta("hm"),
            ToolCallStart(0, "c1", "f"),
            ToolCallArguments(0, '{"city":'),
            ToolCallArguments(0, '"Paris"}'),
            thought(reasoning_content="hm"),
            CALLED,
            COUNTED,
        ],
    ),
    "deepseek": Transcript(
        stream(
            head(system_fingerprint="fp", usage=None),
            part({"role": "assistant", "content": None, "reasoning_content": ""}, logprobs=None),
            part({"content": None, "reasoning_content": "hm"}),
            part(call(index=0, id="c1", type="function", name="f", arguments="")),
            part(call(index=0, arguments=PARIS)),
            part({"content": "", "reasoning_content": None}, "tool_calls")
            | {
                "usage": COUNTS
                | {"prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 1}
                | {"completion_tokens_details": {"reasoning_tokens": 2}}
            },
            before=b": keep-alive\n\n" * 3,
        ),
        [
            Stamp("fp"),
            ReasoningDelta("hm"),
            *CITY[:2],
            thought(reasoning_content="hm"),
            CALLED,
            Usage(9, 4, cached=8, reasoning=2),
        ],
    ),
    "openrouter": Transcript(
        stream(
            head(provider="Anthropic"),
            part(
                {
                    "role": "assistant",
                    "content": "",
                    "reasoning": "hm",
                    "reasoning_details": [DETAILS | {"text": "hm"}],
                }
            ),
            part(
                {
                    "role": "assistant",
                    "content": "",
                    "reasoning": None,
                    "reasoning_details": [DETAILS | {"signature": "c2ln"}],
                }
            ),
            part(call(index=0, id="c1", type="function", name="f", arguments=PARIS)),
            part(
                {"role": "assistant", "content": ""}, "tool_calls", native_finish_reason="tool_use"
            ),
            part({"role": "assistant", "content": ""})
            | {
                "usage": COUNTS
                | {"cost": 0.95, "is_byok": False}
                | {"prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 3}}
            },
            before=b": OPENROUTER PROCESSING\n\n",
        ),
        [
            ReasoningDelta("hm"),
            *CITY[:2],
            thought(reasoning_details=[DETAILS | {"signature": "c2ln", "text": "hm"}]),
            CALLED,
            Usage(9, 4, cached=5, cache_write=3),
        ],
    ),
    "groq": Transcript(
        stream(
            head(system_fingerprint="fp"),
            part({"role": "assistant", "content": ""}) | {"x_groq": {"id": "req_1"}},
            part({"content": "Hi"}),
            part({"content": "!"}),
            part({}, "stop")
            | {"x_groq": {"id": "req_1", "usage": COUNTS | {"queue_time": 0.02}}, "usage": COUNTS},
        ),
        [Stamp("fp"), *HI],
    ),
    "lm studio": Transcript(
        stream(
            head(system_fingerprint="m"),
            part({"role": "assistant", "content": "Hi"}, logprobs=None),
            part({"role": "assistant", "content": "!"}, logprobs=None),
            part({}, "stop", logprobs=None),
            {"choices": [], "usage": COUNTS},
        ),
        [Stamp("m"), *HI],
    ),
    "llama.cpp": Transcript(
        stream(
            head(system_fingerprint="b9038"),
            part({"role": "assistant", "content": None}),
            part({"content": "Hi"}),
            part({"content": "!"}),
            part({}, "stop"),
            {"choices": [], "usage": COUNTS, "timings": {"prompt_n": 9, "predicted_n": 4}},
        ),
        [Stamp("b9038"), *HI],
    ),
    "mistral": Transcript(
        stream(
            head(),
            part(
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}],
                }
            ),
            part({"content": "Hi"}),
            part({"content": "!"}),
            part({"content": ""}, "stop") | {"usage": COUNTS},
        ),
        [ReasoningDelta("hm"), *HI],
    ),
    "ollama": Transcript(
        stream(
            head(system_fingerprint="fp_ollama"),
            part({"role": "assistant", "content": "", "reasoning": "hm"}),
            part(
                {"role": "assistant", "content": ""}
                | call(id="c1", index=0, type="function", name="f", arguments=PARIS)
            ),
            part({"role": "assistant", "content": ""}, "tool_calls"),
            {"choices": [], "usage": COUNTS},
        ),
        [Stamp("fp_ollama"), ReasoningDelta("hm"), *CITY, COUNTED],
    ),
}
