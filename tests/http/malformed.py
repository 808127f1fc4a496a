"""Bodies that no request can be: texts that are no JSON, and JSON that the API's document does not allow.

What is malformed is judged by others than the gateway: the standard library's JSON, and the document's
schemas. The same seed gives the same bodies.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any, cast

import msgspec
from jsonschema_rs import Draft202012Validator

from greenroom.http.openapi.document import document

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"

_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}}
_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
_WHOLE: dict[str, Any] = {
    "model": "openclaw",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, _IMAGE], "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [_CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
        {"role": "user", "content": "Ünicode \U0001f49a \\ \" \u0000"},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 1.0,
    "top_p": 0.5,
    "frequency_penalty": -1,
    "presence_penalty": 1,
    "max_tokens": 10,
    "max_completion_tokens": 10,
    "n": 1,
    "stop": ["END"],
    "seed": 7,
    "logit_bias": {"50256": -100},
    "logprobs": False,
    "tools": [{"type": "function", "function": _FUNCTION}],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {
        "mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}],
    }},
    "parallel_tool_calls": True,
    "response_format": {"type": "json_schema", "json_schema": {
        "name": "s", "strict": True, "schema": {"type": "object"},
    }},
    "modalities": ["text"],
    "reasoning_effort": "low",
    "metadata": {"a": "b"},
    "store": False,
    "prediction": {"type": "content", "content": "x"},
    "service_tier": "auto",
    "verbosity": "low",
}  # fmt: skip
_SEEDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (CHAT, "ChatRequest", _WHOLE),
    (CHAT, "ChatRequest", {"model": "openclaw", "messages": [{"role": "user", "content": "Hi"}]}),
    (EMBEDDINGS, "EmbeddingRequest", {"model": "openclaw", "input": ["a", "b"], "dimensions": 3}),
    (f"{CHAT}/chatcmpl-x", "MetadataUpdate", {"metadata": {"a": "b"}}),
)
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 1.5, -1e308, 2**53, 2**63, -(2**63) - 1, 2**70, "", " ", "x", "null",
    "\u0000", "a" * 3000, [], [[]], [None], ["x", 1], {}, {"": None}, {"type": "x"}, {"x": []},
)  # fmt: skip
_TOKENS = (
    b"", b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"\\ud83d", b"\x00", b"\xff", b"\xc3(",
    b"\xed\xa0\x80", b"NaN", b"Infinity", b"-", b"1e", b"01", b".5", b"+1", b"'", b"//", b"/* */", b"\n",
    b"\xef\xbb\xbf", b"tru", b"nulL", b"[" * 500, b'{"a":' * 500, b"\x1f", b"None", b"a=b",
)  # fmt: skip


def malformed(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield paths, and bodies for them."""
    random = Random(seed)
    described = json.loads(msgspec.json.encode(document()))["components"]
    judges = {
        name: Draft202012Validator(
            {"$ref": f"#/components/schemas/{name}", "components": described}
        )
        for _, name, _ in _SEEDS
    }
    made = 0
    while made < count:
        path, name, body = random.choice(_SEEDS)
        if random.random() < 0.5:
            text = _torn(random, json.dumps(body, ensure_ascii=random.random() < 0.5).encode())
            wrong = not _is_json(text)
        else:
            value = _changed(random, body)
            text = json.dumps(value).encode()
            wrong = not judges[name].is_valid(json.loads(text))
        if wrong:
            made += 1
            yield path, text


def _is_json(text: bytes) -> bool:
    def no_number(_: str) -> None:
        raise ValueError

    try:
        json.loads(text.decode("utf-8"), parse_constant=no_number)
    except (ValueError, RecursionError):
        return False
    return True


def _torn(random: Random, text: bytes) -> bytes:
    """Return a text of which something is missing, doubled, or something else."""
    for _ in range(random.randint(1, 3)):
        start = random.randint(0, len(text))
        end = min(len(text), start + random.choice((0, 1, 2, 30, len(text))))
        match random.randrange(4):
            case 0:
                text = text[:start]
            case 1:
                text = text[:start] + random.choice(_TOKENS) + text[end:]
            case 2:
                text = text[:end] + text[start:]
            case _:
                text = text[:start] + random.randbytes(random.randint(1, 8)) + text[end:]
    return text


def _changed(random: Random, body: dict[str, Any]) -> Any:
    """Return a value of which a few parts are something else, missing, or one too many."""
    if random.random() < 0.02:
        return random.choice(_ODD)
    body = deepcopy(body)
    for _ in range(random.randint(1, 3)):
        places = list(_places(body))
        if not places:
            break
        parent, key = random.choice(places)
        match random.randrange(4):
            case 0:
                del parent[key]
            case 1 if not isinstance(parent, dict):
                parent.insert(key, deepcopy(random.choice(_ODD)))
            case _:
                parent[key] = deepcopy(random.choice(_ODD))
    return body


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    as_object = cast("dict[Any, Any]", node)
    for key in list(as_object) if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _places(node[key])
