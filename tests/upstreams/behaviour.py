"""How an upstream behaves, told by the model's name: "<model>+<how>+<how>…", and healthy without.

| how | |
|---|---|
| `status-<n>` | answers that status, in the vendor's envelope |
| `retry-after-<s>` | with a header that asks for so many seconds |
| `flaky-<n>` | 503 to the first n requests with this very name, then healthy |
| `hang` | takes the request and never answers |
| `close` | takes the request and closes the connection |
| `page` | a web page, with status 200 |
| `nothing` | status 200 and an empty body |
| `head-<s>` | so many seconds before the head |
| `pause-<s>` | so many seconds before each further piece |
| `hold-<n>` | so many words of a stream, and the rest once the test lets it go (`Upstream.let_go`) |
| `silence` | the stream begins, and nothing more comes |
| `cut` | the stream begins, and the connection closes |
| `eof` | the stream begins, and ends in good order |
| `garbage` | the stream begins, and then there is a line that is not the protocol's |
| `flood` | the stream begins, and then there is a line without an end |
| `overload` | the stream begins, and then comes the vendor's error for "overloaded" |
| `late` | the last six of these after the first word, and not before it |
| `shred` | the stream comes in pieces of 7 bytes |
| `call-<x>` | nothing; it makes a name of its own, for counting |
"""

from typing import Literal, get_args

import msgspec

Head = Literal["hang", "close", "page", "nothing"]
Trouble = Literal["silence", "cut", "eof", "garbage", "flood", "overload"]


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a name says."""

    status: int | None = None
    retry_after: str | None = None
    flaky: int = 0
    head: Head | None = None
    head_after: float = 0.0
    pause: float = 0.0
    hold: int | None = None
    trouble: Trouble | None = None
    late: bool = False
    shred: bool = False


def behaviour_of(model: str) -> Behaviour:
    """Return how the upstream behaves towards a request for `model`; raises for what is none."""
    said: dict[str, object] = {}
    for how in model.split("+")[1:]:
        name, _, value = how.rpartition("-")
        if how in get_args(Head):
            said["head"] = how
        elif how in get_args(Trouble):
            said["trouble"] = how
        elif how in {"late", "shred"}:
            said[how] = True
        elif name == "head":
            said["head_after"] = value
        elif name != "call":
            said[name.replace("-", "_")] = value
    return msgspec.convert(said, Behaviour, strict=False)
