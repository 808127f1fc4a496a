"""A probe stands where an actor's neighbour would: it takes down what it is sent, and plays its part.

It never judges by itself: what should have come is for the story to say, with `expect`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import trio
from trio.lowlevel import ParkingLot

from greenroom.runtime.actor import Actor
from greenroom.runtime.errors import ActorCrashed, Refusal, RuntimeFault
from greenroom.runtime.incarnation import caused
from greenroom.runtime.message import Message, Request, Subscription
from greenroom.runtime.reply import ReplyPort, StreamPort

M = TypeVar("M", bound=Message)

_Port = ReplyPort[Any] | StreamPort[Any]

SHOWN = 3
"""How many messages a failure shows."""


class Probe(Actor[Message]):
    """An actor that understands every message; spawn it, and give its ref to the actor under test.

    With `answer`, what that function returns answers every request. Without, requests wait for the
    values given to `answer_with`, each in their order. A subscription's value is the sequence of its
    events. An exception, given or raised, is raised at the asker, and the probe lives on: a `Refusal`
    or a fault of the runtime as it is, any other as the `ActorCrashed` that it would have caused.
    """

    mailbox_size = 1024

    def __init__(self, answer: Callable[[Any], object] | None = None) -> None:
        self.seen: list[Message] = []
        """Every message that it was sent, in order."""
        self._expected = 0
        self._news = ParkingLot()
        self._answer = answer
        self._values: deque[object] = deque()
        self._open: deque[_Port] = deque()

    async def receive(self, message: Message) -> None:
        self.seen.append(message)
        self._news.unpark_all()
        asked: Any = message  # of an answer's type that nobody knows
        if isinstance(message, Request):
            self._play(self.reply_port(asked), asked)
        elif isinstance(message, Subscription):
            self._play(self.stream_port(asked), asked)

    def answer_with(self, *values: object) -> None:
        """Answer as many requests, those first that wait; one whose asker has left uses up no value."""
        self._values.extend(values)
        self._meet()

    async def expect(self, kind: type[M], *, within: float = 60.0) -> M:
        """Return the next message that was not yet expected, and wait `within` seconds for it.

        Raises:
            AssertionError: none came; or it is of another kind, and stays the next.
        """
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(within):
            while self._expected == len(self.seen):
                await self._news.park()
        waiting = self.seen[self._expected :]
        if waiting and isinstance(waiting[0], kind):
            self._expected += 1
            return waiting[0]
        if waiting:
            sent = _shown(waiting)
        else:
            sent = f"nothing within {within:g} seconds; before that: {_shown(self.seen[::-1])}"
        msg = f"{self.ref.path} expected {kind.__name__} and was sent {sent}"
        raise AssertionError(msg)

    async def expect_nothing(self, seconds: float) -> None:
        """Wait `seconds` seconds, and see nothing but what was expected before.

        Raises:
            AssertionError: something else came.
        """
        await trio.sleep(seconds)
        waiting = self.seen[self._expected :]
        if waiting:
            msg = f"{self.ref.path} expected nothing and was sent {_shown(waiting)}"
            raise AssertionError(msg)

    def _play(self, port: _Port, message: Message) -> None:
        if self._answer is None:
            self._open.append(port)
            self._meet()
            return
        try:
            value = self._answer(message)
        except Exception as error:  # noqa: BLE001 - the asker's
            value = error
        self._settle(port, value)

    def _meet(self) -> None:
        while self._values and self._open:
            port = self._open.popleft()
            if not port.abandoned:
                self._settle(port, self._values.popleft())

    def _settle(self, port: _Port, value: Any) -> None:
        if isinstance(value, Refusal | RuntimeFault):
            port.fail(value)
        elif isinstance(value, Exception):
            port.fail(caused(ActorCrashed(self.ref.path), value))
        elif isinstance(port, StreamPort):
            port.close(*value)
        else:
            port.answer(value)


def _shown(messages: Sequence[Message]) -> str:
    more = f" and {len(messages) - SHOWN} more" if len(messages) > SHOWN else ""
    return (", ".join(map(repr, messages[:SHOWN])) or "nothing") + more
