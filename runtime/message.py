"""What travels to an actor: plain, frozen, comparable data.

A message never holds the way back to its sender; that is the envelope's, so that messages can be
logged, compared and encoded as they are.
"""

from typing import Generic, TypeVar

import msgspec

R = TypeVar("R")
E = TypeVar("E")


class Message(msgspec.Struct, frozen=True, tag=True):
    """Base of every actor's protocol; sent with `tell`."""


class Request(Message, Generic[R], frozen=True):
    """A message that is answered once, with an `R`; sent with `ask`."""


class Subscription(Message, Generic[E], frozen=True):
    """A message that is answered by a stream of `E`; sent with `stream`."""
