"""What the translator of one upstream API is: pure, a prompt in and bytes out, bytes in and deltas out.

An adapter knows one wire format. It knows nothing of sockets, tasks or clocks; `HttpChannel` moves
the bytes, so a new API is an `Adapter` and a `Decoder` and nothing else.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from greenroom.actors.channels.channel import Deltas
from greenroom.actors.entries import Prompt
from greenroom.actors.failure import Failure


class HttpRequest(msgspec.Struct, frozen=True):
    """One POST to an upstream; its `repr` shows neither headers nor body, where secrets are.

    `dropped` is as `Notes` has it.
    """

    url: str
    headers: dict[str, str]
    body: bytes
    dropped: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"HttpRequest({len(self.body)} bytes)"


class Decoder(Protocol):
    """Reads one answer. Neither method blocks, and the cuts between reads change nothing.

    `feed` never raises: what came before an error is given first, then `done` is true and `end`
    raises.
    """

    @property
    def finished(self) -> bool:
        """Whether the upstream has said why it stopped: what may still come is no part of the answer."""
        ...

    @property
    def done(self) -> bool:
        """Whether reading on is useless: the answer has ended, or has gone wrong."""
        ...

    def feed(self, data: bytes) -> Deltas:
        """Return what `data` brings, possibly nothing."""
        ...

    def end(self) -> Deltas:
        """Return the rest once `done`, or once the upstream has ended its body; raises `TurnFailed`."""
        ...


class Adapter(Protocol):
    """Translates between prompts and one upstream API."""

    def request(self, prompt: Prompt) -> HttpRequest:
        """Return the call that asks for a streamed answer to `prompt`.

        Raises `TurnFailed` (INVALID_REQUEST), naming the field, for what this API cannot do.
        """
        ...

    def decoder(self, prompt: Prompt) -> Decoder:
        """Return a reader for the answer of status 2xx to the request that `prompt` became."""
        ...

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """Return what any other status means; header names are lower case, `body` may be cut."""
        ...
