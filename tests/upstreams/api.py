"""What the three APIs of an upstream have in common: a request becomes words, words become an answer."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from tests.upstreams.speech import Heard, Refused, Spoken

JSON_TYPE = "application/json"

KEY = "sk-of-the-tests-0123456789abcdef"
"""The key that OpenAI's and Anthropic's APIs want here."""


class Play(msgspec.Struct, frozen=True):
    """An answer as it is streamed, a piece for each write: before the first word, the words, the end."""

    opening: Sequence[bytes]
    words: Sequence[bytes]
    closing: Sequence[bytes]


class Api(Protocol):
    """One vendor's API.

    `garbage` is a line of a stream that is none of its protocol; `flood` begins one that may go on.
    """

    name: str
    path: str
    stream_type: str
    garbage: bytes
    flood: bytes

    def hear(self, headers: Mapping[str, str], body: bytes) -> Heard:
        """Understand a request; raises `Refused` where the vendor would refuse it."""
        ...

    def failure(self, status: int, model: str) -> Refused:
        """Return the vendor's own words for a status."""
        ...

    def refusal(self, refused: Refused) -> bytes:
        """Return the vendor's envelope."""
        ...

    def headers(self, number: int) -> dict[str, str]:
        """Return the headers of every answer."""
        ...

    def whole(self, heard: Heard, spoken: Spoken, number: int) -> bytes:
        """Return an answer that is not streamed."""
        ...

    def stream(self, heard: Heard, spoken: Spoken, number: int) -> Play:
        """Return one that is."""
        ...

    def overload(self) -> bytes:
        """Return what says in mid-stream that there is no room."""
        ...


def decoded(data: str, where: str) -> bytes:
    """Return the bytes of base64; raises `Refused`."""
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise Refused(400, f"{where}: invalid base64 data") from error
