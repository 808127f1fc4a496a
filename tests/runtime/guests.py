"""Guests for random programs: what they do is in their words, what they did is in a ledger."""

import contextlib
from dataclasses import dataclass, field

import structlog
import trio
from structlog.typing import EventDict

from greenroom.runtime import (
    Actor,
    Directory,
    Message,
    NotAccepted,
    ReplyPort,
    Request,
    StreamPort,
    Subscription,
)

Name = tuple[int, int]
"""A message's sender and its number there."""


class BrokenError(Exception):
    pass


class Word(Request[Name], frozen=True):
    name: Name
    does: str
    takes: int
    asked: bool


class Words(Subscription[Name], frozen=True):
    """Gets one event, and the end with the next word that settles."""

    name: Name


class Nap(Message, frozen=True):
    seconds: int


class Nothing(Message, frozen=True):
    pass


@dataclass(frozen=True)
class Nature:
    """How the n-th incarnation of any key is."""

    start_takes: int
    stop_takes: int
    start_fails: bool


@dataclass
class Ledger:
    """Who lives, what was begun, and what is wrong."""

    idle: int | None
    living: dict[str, "Guest"] = field(default_factory=dict[str, "Guest"])
    begun: list[tuple[str, Name]] = field(default_factory=list[tuple[str, Name]])
    faults: list[str] = field(default_factory=list[str])

    def line(self, _: object, __: str, entry: EventDict) -> str:
        """Look at who is put away, in the moment in which it is."""
        if entry["event"] == "actor.passivated":
            guest = self.living[entry["actor"].rpartition("/")[2]]
            idle_for = trio.current_time() - guest.idle_since
            if guest.busy or not (self.idle and self.idle <= idle_for < 2 * self.idle):
                self.faults.append(f"{guest.key} was idle for {idle_for}, busy {guest.busy}")
        raise structlog.DropEvent


class Child(Actor[Nap]):
    async def receive(self, message: Nap) -> None:
        await trio.sleep(message.seconds)
        self.stop()


class Guest(Actor[Word | Words]):
    mailbox_size = 1

    def __init__(self, key: str, nature: Nature, ledger: Ledger) -> None:
        self.key = key
        self.nature = nature
        self.ledger = ledger
        self.busy = 0
        self.idle_since = 0.0
        self.ports: list[tuple[ReplyPort[Name], Name]] = []
        self.feeds: list[StreamPort[Name]] = []

    async def on_start(self) -> None:
        if self.key in self.ledger.living:
            self.ledger.faults.append(f"two incarnations of {self.key}")
        self.ledger.living[self.key] = self
        self.busy = 1
        try:
            await trio.sleep(self.nature.start_takes)
            if self.nature.start_fails:
                raise BrokenError  # noqa: TRY301 - what it takes to be undone is in one place
        except BaseException:
            del self.ledger.living[self.key]
            raise
        self.rest()

    def rest(self) -> None:
        self.busy -= 1
        self.idle_since = trio.current_time()

    async def receive(self, message: Word | Words) -> Name | None:
        self.ledger.begun.append((self.key, message.name))
        self.busy += 1
        try:
            if isinstance(message, Words):
                await self.feed(message)
                return None
            if message.takes:
                await trio.sleep(message.takes)
            await self.do(message)
            return message.name
        finally:
            self.rest()

    async def feed(self, words: Words) -> None:
        port = self.stream_port(words)
        await port.send(words.name)
        if not port.abandoned:
            self.busy += 1
            self.feeds.append(port)
            port.on_leave(lambda: self.end_feed(port))

    def end_feed(self, port: StreamPort[Name]) -> None:
        if port in self.feeds:
            self.feeds.remove(port)
            port.close()
            self.rest()

    async def do(self, word: Word) -> None:
        match word.does:
            case "crash":
                raise BrokenError
            case "leave":
                self.stop()
            case "stop":
                self.ref.stop()
            case "kill":
                self.ref.kill()
            case "defer":
                port = self.reply_port(word)
                if word.asked:  # a told one has nobody to answer
                    self.busy += 1
                    self.ports.append((port, word.name))
            case "settle":
                for port, name in self.ports:
                    port.answer(name)
                self.busy -= len(self.ports)
                self.ports.clear()
                for feed in tuple(self.feeds):
                    self.end_feed(feed)
            case "child":
                with contextlib.suppress(NotAccepted):  # it may be told to end at any moment
                    child = await self.spawn(Child(), str(word.name))
                    self.busy += 1
                    child.on_end(lambda _: self.rest())
                    child.tell(Nap(3))
            case _:
                pass

    async def on_stop(self) -> None:
        try:
            await trio.sleep(self.nature.stop_takes)
        finally:
            del self.ledger.living[self.key]


Guests = Directory[str, Word | Words]


class Host(Actor[Nothing]):
    def __init__(self, guests: Guests) -> None:
        self.guests = guests

    async def on_start(self) -> None:
        self.host(self.guests)

    async def receive(self, message: Nothing) -> None:
        pass
