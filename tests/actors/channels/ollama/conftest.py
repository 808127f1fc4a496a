"""Answers as Ollama writes them, a JSON object a line."""

import itertools

import msgspec

from greenroom.actors.channels.ollama.reply import OllamaDecoder
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from tests.actors.channels.conftest import Json, Outcome, outcome_of, same_wherever_cut

HEAD: Json = {"model": "m", "created_at": "2026-08-21T10:15:24.097767Z"}
DURATIONS: Json = {
    "total_duration": 4883583458,
    "load_duration": 1334875,
    "prompt_eval_duration": 342546000,
    "eval_duration": 4535599000,
}
COUNTS: Json = {"prompt_eval_count": 26, "eval_count": 5}


def line(content: str = "", **message: object) -> Json:
    """Return a line with a part of the answer."""
    said = {"role": "assistant", "content": content} | message
    return HEAD | {"message": said, "done": False}


def last(reason: str | None = "stop", counts: Json | None = None) -> Json:
    """Return the last line of an answer; a count of 0 is left out."""
    given = {} if reason is None else {"done_reason": reason}
    return line() | {"done": True} | given | DURATIONS | (counts or {})


def call(name: str | None, arguments: object, **more: object) -> Json:
    """Return a tool call."""
    return more | {"function": {"name": name, "arguments": arguments}}


def ndjson(*lines: object) -> bytes:
    """Write the body of an answer."""
    return b"".join(msgspec.json.encode(item) + b"\n" for item in lines)


def decode_pieces(*pieces: bytes) -> Outcome:
    """Return the outcome of an answer that came in these pieces."""
    ids = itertools.count()
    return outcome_of(OllamaDecoder(UpstreamErrors("local"), lambda: f"new-{next(ids)}"), pieces)


def decode(body: bytes) -> Outcome:
    """Return what a whole answer brings, wherever it is cut."""
    return same_wherever_cut(decode_pieces, body)
