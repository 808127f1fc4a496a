"""What the types of the kernel's interface promise, held by the type checkers alone.

Nothing runs here: a wrong inference is an error, and so is an ignore that nothing needs.
"""

from typing import assert_never, assert_type

from greenroom.runtime import (
    Actor,
    Address,
    Crashed,
    Directory,
    Ending,
    Finished,
    Killed,
    Message,
    Ref,
    ReplyPort,
    ReplyStream,
    Request,
    StreamPort,
    Subscription,
    System,
)


class Add(Message, frozen=True):
    number: int


class Total(Request[int], frozen=True):
    pass


class Totals(Subscription[int], frozen=True):
    pass


class Other(Message, frozen=True):
    pass


class OtherRequest(Request[str], frozen=True):
    pass


Sums = Add | Total | Totals


class Adder(Actor[Sums]):
    def __init__(self) -> None:
        self.total = 0

    async def receive(self, message: Sums) -> int | None:
        assert_type(self.ref, Ref[Sums])
        match message:
            case Add(number):
                self.total += number
            case Total():
                assert_type(self.reply_port(message), ReplyPort[int])
                return self.total
            case Totals():
                port = self.stream_port(message)
                assert_type(port, StreamPort[int])
                await port.send(self.total)
                port.close(1, 2)
                port.close("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            case _:
                assert_never(message)
        return None


class Boss(Actor[Other | Add]):
    async def receive(self, message: Other | Add) -> None:
        child = await self.spawn(Adder(), "adder")
        assert_type(child, Ref[Sums])
        self.watch(child, self.ended)
        self.watch(child, lambda _: Total())  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType]

    def ended(self, ending: Ending) -> Other:
        match ending:
            case Finished(value):
                assert_type(value, object)
            case Crashed(error):
                assert_type(error, BaseException)
            case Killed():
                pass
            case _:
                assert_never(ending)
        return Other()


async def an_ask_is_typed_by_its_answer(ref: Ref[Sums]) -> None:
    assert_type(await ref.ask(Total()), int)
    anything: object = await ref.ask(Total())
    perhaps: int | None = await ref.ask(Total())
    assert anything == perhaps
    await ref.ask(Add(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def a_stream_is_typed_by_its_events(ref: Ref[Sums]) -> None:
    async with ref.stream(Totals()) as events:
        assert_type(events, ReplyStream[int])
        assert_type(events.receive_nowait(), int | None)
        async for event in events:
            assert_type(event, int)
    ref.stream(Total())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def a_tell_takes_the_actors_messages_and_no_others(ref: Ref[Sums]) -> None:
    ref.tell(Add(1))
    ref.tell(Other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def who_takes_more_can_stand_in_for_who_takes_less(ref: Ref[Sums]) -> None:
    narrow: Ref[Add] = ref
    wide: Ref[Sums | Other] = ref  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    assert narrow is wide


async def an_address_has_the_verbs_of_a_ref(system: System) -> None:
    assert_type(await system.spawn(Adder(), "adder"), Ref[Sums])
    directory: Directory[str, Sums] = Directory(lambda _: Adder(), limit=1)
    address = directory.address("key")
    assert_type(address, Address[str, Sums])
    assert_type(await address.ask(Total()), int)
    address.tell(Other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    directory.address(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def an_ask_does_not_know_its_actors_protocol(ref: Ref[Sums]) -> None:
    """The price of typing an ask by its answer: this one type checks, and the actor would crash."""
    assert_type(await ref.ask(OtherRequest()), str)
