"""Answers of the Messages API, written event by event, and prompts, read back as what was sent."""

import itertools
from collections.abc import Mapping

import msgspec

from greenroom.actors.channels.anthropic.keepsake import Origin
from greenroom.actors.channels.anthropic.reply import AnthropicDecoder
from greenroom.actors.channels.anthropic.request import Encoded, encode_prompt
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.entries import Entry, Prompt, UserEntry
from greenroom.actors.failure import Failure, TurnFailed
from tests.actors.channels.conftest import Json, Outcome

ORIGIN = Origin("local", "claude-opus-4-5")

COUNTS: Json = {
    "input_tokens": 7,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 300,
    "output_tokens": 1,
}


def event(kind: str, **fields: object) -> bytes:
    """Frame an event as the API does, its name in both places."""
    return b"event: %b\ndata: %b\n\n" % (
        kind.encode(),
        msgspec.json.encode({"type": kind} | fields),
    )


def start(usage: object = COUNTS) -> bytes:
    message: Json = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
    }
    return event("message_start", message=message | {"stop_reason": None, "usage": usage})


def block(index: int, content: Json, *deltas: Json) -> bytes:
    """Write a block, whole."""
    return b"".join(
        [
            event("content_block_start", index=index, content_block=content),
            *(event("content_block_delta", index=index, delta=delta) for delta in deltas),
            event("content_block_stop", index=index),
        ]
    )


def said(index: int, *words: str) -> bytes:
    deltas: list[Json] = [{"type": "text_delta", "text": word} for word in words]
    return block(index, {"type": "text", "text": ""}, *deltas)


def thought(index: int, *words: str, signature: str = "c2ln") -> bytes:
    deltas: list[Json] = [{"type": "thinking_delta", "thinking": word} for word in words]
    empty: Json = {"type": "thinking", "thinking": "", "signature": ""}
    return block(index, empty, *deltas, {"type": "signature_delta", "signature": signature})


def used(index: int, call_id: str, name: str, *pieces: str) -> bytes:
    deltas: list[Json] = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    content: Json = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    return block(index, content, *deltas)


def stop(reason: object = "end_turn", output: int = 5, **delta: object) -> bytes:
    """Write the end of an answer."""
    delta |= {"stop_reason": reason, "stop_sequence": None}
    return event("message_delta", delta=delta, usage={"output_tokens": output}) + DONE


DONE = event("message_stop")
PING = event("ping")


def decoder_of(*custom: str, origin: Origin = ORIGIN) -> AnthropicDecoder:
    ids = itertools.count()
    return AnthropicDecoder(
        UpstreamErrors("local"), lambda: origin, frozenset(custom), lambda: f"new-{next(ids)}"
    )


def decode_pieces(*pieces: bytes, custom: tuple[str, ...] = ()) -> Outcome:
    """Return the deltas of an answer that came in these pieces, and how it failed, if it did."""
    decoder = decoder_of(*custom)
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    try:
        deltas += decoder.end()
    except TurnFailed as failed:
        return deltas, failed.failure
    return deltas, None


def decode(body: bytes, custom: tuple[str, ...] = ()) -> Outcome:
    """Return what a whole answer brings, having seen that cuts and line ends change nothing."""
    outcome = decode_pieces(body, custom=custom)
    if len(body) < 4096:
        for cut in range(len(body)):
            assert decode_pieces(body[:cut], body[cut:], custom=custom) == outcome
        for same in [body] if b"\r" in body else [body, body.replace(b"\n", b"\r\n")]:
            pieces = (bytes([byte]) for byte in same)
            assert decode_pieces(*pieces, custom=custom) == outcome
    return outcome


ASK = (UserEntry("Hi"),)


def encoded(prompt: Prompt, limits: Mapping[str, int] | None = None) -> Encoded:
    return encode_prompt(prompt, "local", limits or {})


def body_of(prompt: Prompt, limits: Mapping[str, int] | None = None) -> Json:
    """Return the request that a prompt becomes."""
    return msgspec.json.decode(encoded(prompt, limits).body, type=Json)


def asked(model: str = "claude-opus-4-5", **prompt: object) -> Json:
    """Return the request of a short prompt that has these parts."""
    return body_of(msgspec.structs.replace(Prompt(model, ASK), **prompt))


def messages_of(*entries: Entry) -> object:
    return asked(entries=entries)["messages"]


def dropped_by(model: str = "claude-opus-4-5", **prompt: object) -> tuple[str, ...]:
    return encoded(msgspec.structs.replace(Prompt(model, ASK), **prompt)).dropped


def refusal_of(model: str = "claude-opus-4-5", **prompt: object) -> Failure:
    """Return why a short prompt that has these parts is refused."""
    try:
        asked(model, **prompt)
    except TurnFailed as failed:
        return failed.failure
    raise AssertionError("it was not refused")


def extra(**fields: object) -> dict[str, bytes]:
    return {name: msgspec.json.encode(value) for name, value in fields.items()}
