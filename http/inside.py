"""What a stream tells beside its answer, to clients that ask for it: ours, and none of OpenAI's API."""

from typing import Literal

import msgspec


class InsideEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What happens in a turn beside what is said; `data` is an object that its `type` explains."""

    type: str
    data: msgspec.Raw


class InsideChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk without a choice, as the last one with its usage is; only for clients that ask for it."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: tuple[()] = ()
    greenroom: InsideEvent
