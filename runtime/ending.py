"""How an actor ended: plain data, for whoever watches it and for its supervisor."""

import msgspec


class Finished(msgspec.Struct, frozen=True):
    """The actor stopped by itself or was asked to; `value` is what it left, see `Actor.stop`."""

    value: object = None


class Crashed(msgspec.Struct, frozen=True):
    """The actor raised `error`, which was no refusal."""

    error: BaseException


class Killed(msgspec.Struct, frozen=True):
    """The actor was cancelled where it stood."""


Ending = Finished | Crashed | Killed
