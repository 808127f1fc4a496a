"""The keys of a tool call beside those of OpenAI's API, which some servers want back with the call.

Gemini signs its calls so (`extra_content`) and refuses a history without the signature. Nobody looks
into them: they are read, shown to clients, taken back and sent again as the JSON that they came as, on
one line. One that cannot be read, or goes too deep to be read anywhere, is left out.
Source: ai.google.dev, "Thought signatures" and "OpenAI compatibility".
"""

from collections.abc import Mapping

import msgspec

_OPENAIS = frozenset({"index", "id", "type", "function", "custom"})

_NULL = msgspec.Raw(b"null")

_MOST_OPENED = 256
"""Brackets in a value, and so a bound of its depth: what was read must be readable ever after."""

_keys = msgspec.json.Decoder(dict[str, msgspec.Raw])


def vendor_keys(call: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """Return the further keys of a tool call; null is the same as absent."""
    found = {name: value for name, value in call.items() if name not in _OPENAIS}
    lines = {name: _on_one_line(value) for name, value in found.items() if value != _NULL}
    return {name: line for name, line in lines.items() if line is not None}


def to_extra(keys: Mapping[str, msgspec.Raw]) -> bytes | None:
    """Return keys as `ToolCall.extra` has them, None if there are none."""
    return msgspec.json.encode(keys) if keys else None


def from_extra(extra: bytes | None) -> dict[str, msgspec.Raw]:
    """Return the keys in a `ToolCall.extra`."""
    return {} if extra is None else _keys.decode(extra)


def _on_one_line(value: msgspec.Raw) -> msgspec.Raw | None:
    data = bytes(value)
    if data.count(b"[") + data.count(b"{") > _MOST_OPENED:
        return None
    try:
        msgspec.json.decode(data)
        return msgspec.Raw(msgspec.json.format(data, indent=-1))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
