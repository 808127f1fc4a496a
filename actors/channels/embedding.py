"""What it is to have texts embedded: what is asked of an upstream, what comes back, and who can be asked.

A vector stays the JSON that its upstream gave, a list of numbers or base64 of 32-bit floats, little
end first; `as_numbers` and `as_base64` make the one of the other.
"""

import binascii
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.channel import Notes

T = TypeVar("T")

_numbers = msgspec.json.Decoder(list[float])
_text = msgspec.json.Decoder(str)


class Embedding(msgspec.Struct, frozen=True):
    """One call, whole: `inputs` are texts, or lists of a tokenizer's numbers, and each gives a vector.

    `model` is the upstream's own id. With `packed`, vectors had best come as base64. `extra` holds
    request fields that only OpenAI-type upstreams know, as JSON by name.
    """

    model: str
    inputs: Sequence[str] | Sequence[Sequence[int]]
    packed: bool = False
    dimensions: int | None = None
    extra: Mapping[str, bytes] = {}


class Embedded(msgspec.Struct, frozen=True):
    """A vector for each input, in order, as JSON; `tokens` is how many the inputs had."""

    vectors: tuple[bytes, ...]
    tokens: int
    notes: Notes = Notes()


@runtime_checkable
class Embeds(Protocol):
    """A channel whose upstream can embed."""

    async def embed(self, wanted: Embedding) -> Embedded:
        """Return the vectors; raises `TurnFailed`, for what the API cannot do naming the field."""
        ...


class EmbeddingAdapter(Protocol):
    """Translates embeddings for one upstream API; as `Adapter` it moves no bytes."""

    def request(self, wanted: Embedding) -> HttpRequest:
        """Return the call; raises `TurnFailed` (INVALID_REQUEST), naming the field."""
        ...

    def read(self, body: bytes, wanted: Embedding) -> Embedded:
        """Return what the body of an answer of status 2xx says; raises `TurnFailed`."""
        ...


def is_base64(vector: bytes) -> bool:
    """Say which of its two forms a vector has."""
    return vector.startswith(b'"')


def as_base64(vector: bytes) -> bytes:
    """Return a vector as base64 in JSON; raises `ValueError` for one that is none."""
    if is_base64(vector):
        return vector
    floats = array("f", _read(_numbers, vector))
    if sys.byteorder == "big":
        floats.byteswap()
    return b'"' + binascii.b2a_base64(floats.tobytes(), newline=False) + b'"'


def as_numbers(vector: bytes) -> bytes:
    """Return a vector as a list of numbers in JSON; raises `ValueError` for one that is none."""
    if not is_base64(vector):
        return vector
    floats = array("f")
    floats.frombytes(binascii.a2b_base64(_read(_text, vector), strict_mode=True))
    if sys.byteorder == "big":
        floats.byteswap()
    return msgspec.json.encode(floats.tolist())


def _read(decoder: msgspec.json.Decoder[T], vector: bytes) -> T:
    try:
        return decoder.decode(vector)
    except (msgspec.DecodeError, OverflowError) as error:
        raise ValueError(f"no vector: {error}") from None
