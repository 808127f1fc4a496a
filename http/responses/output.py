"""From a model's deltas to the items of a response and the events that tell of them; pure.

The same deltas give the same items and the same events, however they were batched. An item ends where
another one begins; but a call, whose arguments some servers mix with text, only where the next one does.
"""

from collections.abc import Iterator
from typing import assert_never

from greenroom.actors.channels.channel import (
    AnnotationsDelta,
    AudioDelta,
    Delta,
    Finish,
    LogprobsDelta,
    OfChoice,
    ReasoningDelta,
    RefusalDelta,
    Stamp,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.entries import Keepsake
from greenroom.http.responses.event_objects import Event
from greenroom.http.responses.ids import ItemId
from greenroom.http.responses.objects import Item, ItemStatus
from greenroom.http.responses.output_items import OpenCall, OpenItem, OpenMessage, OpenThinking


class Output:
    """The output of one turn; `numbers` gives each event its number.

    What the model thinks is told as a summary if the client asked for one (`summarises`), else as it is.
    """

    def __init__(self, turn: str, numbers: Iterator[int], *, summarises: bool) -> None:
        self._turn = turn
        self._numbers = numbers
        self._summarises = summarises
        self._items: list[OpenItem] = []
        self._call: OpenCall | None = None
        self._open: OpenMessage | OpenThinking | None = None

    def take(self, delta: Delta) -> list[Event]:
        """Add a delta."""
        told: list[Event] = []
        match delta:
            case TextDelta(text):
                told = self._say(text, is_refusal=False)
            case RefusalDelta(text):
                told = self._say(text, is_refusal=True)
            case AnnotationsDelta(cited):
                told = self._cite(cited)
            case ReasoningDelta(text):
                told = self._think(text)
            case ToolCallStart(index):
                ended = self.close("completed")
                id_ = str(ItemId("ctc" if delta.custom else "fc", self._turn, index=index))
                self._call = OpenCall(id_, len(self._items), self._numbers, delta)
                told = [*ended, self._begin(self._call)]
            case ToolCallArguments(_, fragment):
                assert self._call is not None, "fragments follow their call"  # noqa: S101
                told = [self._call.argue(fragment)]
            case Finish() | Usage() | Keepsake() | Stamp():
                pass
            case LogprobsDelta() | AudioDelta() | OfChoice():
                pass  # no response is asked for these: their fields are refused, or have no place here
            case _:
                assert_never(delta)
        return told

    def close(self, status: ItemStatus) -> list[Event]:
        """End what is open."""
        return [event for item in self._let_go() for event in item.end(status)]

    def break_off(self) -> None:
        """Leave what is open incomplete; no event tells of that by itself."""
        for item in self._let_go():
            item.status = "incomplete"

    def items(self) -> tuple[Item, ...]:
        """Return the items as they are now."""
        return tuple(item.item() for item in self._items)

    def _say(self, text: str, *, is_refusal: bool) -> list[Event]:
        message, begun = self._message()
        return [*begun, *message.say(text, is_refusal=is_refusal)]

    def _cite(self, cited: bytes) -> list[Event]:
        message, begun = self._message()
        return [*begun, *message.cite(cited)]

    def _message(self) -> tuple[OpenMessage, list[Event]]:
        """Return the message that is open, or one that begins."""
        message = self._open
        if isinstance(message, OpenMessage):
            return message, []
        ended = [] if message is None else message.end("completed")
        message = self._open = OpenMessage(self._id("msg"), len(self._items), self._numbers)
        return message, [*ended, self._begin(message)]

    def _think(self, text: str) -> list[Event]:
        begun: list[Event] = []
        thinking = self._open
        if not isinstance(thinking, OpenThinking):
            ended = [] if thinking is None else thinking.end("completed")
            thinking = self._open = OpenThinking(
                self._id("rs"), len(self._items), self._numbers, summarises=self._summarises
            )
            begun = [*ended, self._begin(thinking)]
        return [*begun, *thinking.think(text)]

    def _id(self, kind: str) -> str:
        """Return the id of the next item of a kind, counted among its like."""
        before = sum(item.id.startswith(f"{kind}_") for item in self._items)
        return str(ItemId(kind, self._turn, index=before))

    def _begin(self, item: OpenItem) -> Event:
        self._items.append(item)
        return item.begin()

    def _let_go(self) -> list[OpenItem]:
        """Return what is open, in the order of the output; nothing is, after that."""
        held = (self._call, self._open)
        self._call = self._open = None
        return [item for item in self._items if item in held]
