"""pykka: an actor is a thread with an unbounded queue; a message is told or asked for.

It has no streams: a producer actor tells a consumer actor each event, and nothing bounds what waits.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pykka  # pyright: ignore[reportMissingModuleSource] - in its own venv

from bench.kernel.plan import ASKERS, PAUSE, Contender, Figures, Say, Sizes
from bench.kernel.timing import (
    WrongAnswer,
    chosen,
    clock,
    grown,
    latency,
    resident,
    shared_out,
    throughput,
    warmed_sync,
)


class Note(msgspec.Struct, frozen=True):
    """A message that is told, or asked to be answered with its number."""

    number: int


class Count(msgspec.Struct, frozen=True):
    """Have that many moments told to the consumer, a pause before each if there is one."""

    events: int
    pause: float
    consumer: pykka.ActorRef


class Pykka:
    """`pykka.ThreadingActor`."""

    def tell(self, sizes: Sizes) -> Figures:
        return _with_actors(_tell, sizes.tells)

    def ask(self, sizes: Sizes) -> Figures:
        return _with_actors(_ask, sizes.asks)

    def crowd(self, sizes: Sizes) -> Figures:
        return _with_actors(_crowd, sizes.asks)

    def stream(self, sizes: Sizes) -> Figures:
        return _with_actors(_stream, sizes.events)

    def paced(self, sizes: Sizes) -> Figures:
        return _with_actors(_paced, sizes.paced)

    def parked(self, sizes: Sizes, say: Say) -> None:
        try:
            _park(sizes, say)
        finally:
            pykka.ActorRegistry.stop_all()


def contender() -> Contender:
    """Return pykka."""
    return Pykka()


class Counter(pykka.ThreadingActor):
    """Counts up to what it is given, and then says so."""

    use_daemon_thread = True

    def __init__(self, count: int, done: threading.Event) -> None:
        super().__init__()
        self._left = count
        self._done = done

    def on_receive(self, message: Note) -> None:
        self._left -= 1
        if not self._left:
            self._done.set()


class Answerer(pykka.ThreadingActor):
    """Answers each ask with its own number."""

    use_daemon_thread = True

    def on_receive(self, message: Note) -> int:
        return message.number


class Source(pykka.ThreadingActor):
    """Tells the consumer what a stream would bring."""

    use_daemon_thread = True

    def on_receive(self, message: Count) -> None:
        for number in range(message.events):
            if message.pause:
                time.sleep(message.pause)
                message.consumer.tell(clock())
            else:
                message.consumer.tell(number)


class Listener(pykka.ThreadingActor):
    """Takes each moment and keeps how long it was under way."""

    use_daemon_thread = True

    def __init__(self, count: int, spans: list[int], done: threading.Event) -> None:
        super().__init__()
        self._count = count
        self._spans = spans
        self._done = done

    def on_receive(self, message: int) -> None:
        self._spans.append(clock() - message)
        if len(self._spans) == self._count:
            self._done.set()


def _with_actors(take: Callable[[int], Figures], count: int) -> Figures:
    try:
        return warmed_sync(take, count)
    finally:
        pykka.ActorRegistry.stop_all()


def _tell(count: int) -> Figures:
    done = threading.Event()
    ref = Counter.start(count, done)
    began = clock()
    for number in range(count):
        ref.tell(Note(number))
    done.wait()
    return throughput(count, clock() - began)


def _ask_once(ref: pykka.ActorRef, number: int) -> None:
    if ref.ask(Note(number)) != number:
        raise WrongAnswer


def _ask(count: int) -> Figures:
    ref = Answerer.start()
    spans: list[int] = []
    began = clock()
    for number in range(count):
        start = clock()
        _ask_once(ref, number)
        spans.append(clock() - start)
    return throughput(count, clock() - began) | latency(spans)


def _crowd(count: int) -> Figures:
    ref = Answerer.start()

    def ask_some(count: int) -> None:
        for number in range(count):
            _ask_once(ref, number)

    with ThreadPoolExecutor(ASKERS) as askers:
        began = clock()
        for asker in [askers.submit(ask_some, part) for part in shared_out(count, ASKERS)]:
            asker.result()
        return throughput(count, clock() - began)


def _stream(count: int) -> Figures:
    done = threading.Event()
    consumer = Counter.start(count, done)
    source = Source.start()
    began = clock()
    source.tell(Count(count, 0, consumer))
    done.wait()
    return throughput(count, clock() - began)


def _paced(count: int) -> Figures:
    done = threading.Event()
    spans: list[int] = []
    consumer = Listener.start(count, spans, done)
    Source.start().tell(Count(count, PAUSE, consumer))
    done.wait()
    return latency(spans)


def _park(sizes: Sizes, say: Say) -> None:
    before = resident()
    began = clock()
    refs = [Answerer.start() for _ in range(sizes.parked)]
    spawned = throughput(sizes.parked, clock() - began)
    figures = spawned | grown(before, resident(), sizes.parked)
    spans: list[int] = []
    for number, ref in enumerate(chosen(refs, sizes.parked_asks)):
        begun = clock()
        _ask_once(ref, number)
        spans.append(clock() - begun)
    say(figures | latency(spans))
