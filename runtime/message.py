"""What travels to an actor: plain, frozen, comparable data.

A message never holds the way back to its sender; that is the envelope's, so that messages can be
logged, compared and encoded as they are.
"""

from typing import Generic, TypeVar

import msgspec

R_co = TypeVar("R_co", covariant=True)
E_co = TypeVar("E_co", covariant=True)


class Message(msgspec.Struct, frozen=True, tag=True):
    """Base of every actor's protocol; sent with `tell`."""


class Request(Message, Generic[R_co], frozen=True):
    """A message that is answered once, with an `R_co`; sent with `ask`."""


class Subscription(Message, Generic[E_co], frozen=True):
    """A message that is answered by a stream of `E_co`; sent with `stream`."""
