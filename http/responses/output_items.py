"""The items of an output while they are being written: each tells its events, and what it is so far.

An item knows its place and its own kind, and nothing of its neighbours. Its events are in the API's
order: it is added, its parts come with their deltas, it is done.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from greenroom.actors.channels.channel import ToolCallStart
from greenroom.actors.channels.openai.vendor_keys import from_extra
from greenroom.http.responses import event_objects as events
from greenroom.http.responses.event_objects import Event
from greenroom.http.responses.objects import (
    CustomCallItem,
    FunctionCallItem,
    Item,
    ItemStatus,
    MessageItem,
    OutputText,
    ReasoningItem,
    ReasoningText,
    RefusalPart,
    SummaryText,
)

_encode = msgspec.json.Encoder().encode
_annotations = msgspec.json.Decoder(list[dict[str, Raw]])
_fields = msgspec.json.Decoder(dict[str, Raw])


class OpenItem(ABC):
    """An item at a place of the output; `numbers` gives each of its events a number."""

    def __init__(self, id_: str, index: int, numbers: Iterator[int]) -> None:
        self.id = id_
        self._index = index
        self._numbers = numbers
        self.status: ItemStatus = "in_progress"

    @abstractmethod
    def item(self) -> Item:
        """Return what it is so far."""

    @abstractmethod
    def close(self) -> list[Event]:
        """Say of its content that it is whole."""

    def begin(self) -> Event:
        """Say that it begins."""
        return self._of_item(events.ItemAdded)

    def end(self, status: ItemStatus) -> list[Event]:
        """Say that it has ended, and how."""
        closed = self.close()
        self.status = status
        return [*closed, self._of_item(events.ItemDone)]

    def _of_item(self, kind: type[events.ItemAdded | events.ItemDone]) -> Event:
        number = next(self._numbers)
        return kind(sequence_number=number, output_index=self._index, item=self.item())

    def _within(self, kind: type[events.Named], **fields: Any) -> Event:
        number = next(self._numbers)
        return kind(sequence_number=number, output_index=self._index, item_id=self.id, **fields)


class OpenMessage(OpenItem):
    """A message, of text and of refusals."""

    def __init__(self, id_: str, index: int, numbers: Iterator[int]) -> None:
        super().__init__(id_, index, numbers)
        self._parts: list[_OpenPart] = []

    def say(self, text: str, *, is_refusal: bool) -> list[Event]:
        """Add text, or what refuses."""
        begun = self._part(is_refusal=is_refusal)
        self._parts[-1].pieces.append(text)
        kind = events.RefusalDelta if is_refusal else events.TextDelta
        return [*begun, self._of_part(kind, delta=text)]

    def cite(self, annotations: bytes) -> list[Event]:
        """Add to what its text cites, a JSON list of chat completions' annotations."""
        told = self._part(is_refusal=False)
        cited = self._parts[-1].cited
        for annotation in map(_flat, _annotations.decode(annotations)):
            added = self._of_part(
                events.AnnotationAdded, annotation_index=len(cited), annotation=annotation
            )
            cited.append(annotation)
            told.append(added)
        return told

    def close(self) -> list[Event]:
        if not self._parts:
            return []
        part = self._parts[-1].part()
        if isinstance(part, RefusalPart):
            said = self._of_part(events.RefusalDone, refusal=part.refusal)
        else:
            said = self._of_part(events.TextDone, text=part.text)
        return [said, self._of_part(events.PartDone, part=part)]

    def item(self) -> Item:
        parts = tuple(part.part() for part in self._parts)
        return MessageItem(id=self.id, status=self.status, role="assistant", content=parts)

    def _part(self, *, is_refusal: bool) -> list[Event]:
        """Begin a part, unless one of this kind is the last."""
        if self._parts and self._parts[-1].is_refusal is is_refusal:
            return []
        closed = self.close()
        self._parts.append(_OpenPart(is_refusal))
        return [*closed, self._of_part(events.PartAdded, part=self._parts[-1].part())]

    def _of_part(self, kind: type[events.OfPart], **fields: Any) -> Event:
        return self._within(kind, content_index=len(self._parts) - 1, **fields)


class OpenThinking(OpenItem):
    """What the model thinks: told as it is, or as a summary of it."""

    def __init__(self, id_: str, index: int, numbers: Iterator[int], *, summarises: bool) -> None:
        super().__init__(id_, index, numbers)
        self._summarises = summarises
        self._pieces: list[str] = []

    def think(self, text: str) -> list[Event]:
        """Add a thought."""
        told: list[Event] = []
        if not self._pieces:
            kind = events.SummaryAdded if self._summarises else events.PartAdded
            told.append(self._within(kind, part=self._part("")))
        self._pieces.append(text)
        delta = events.SummaryDelta if self._summarises else events.ReasoningDelta
        return [*told, self._within(delta, delta=text)]

    def close(self) -> list[Event]:
        whole = "".join(self._pieces)
        said = events.SummaryTextDone if self._summarises else events.ReasoningDone
        done = events.SummaryDone if self._summarises else events.PartDone
        return [self._within(said, text=whole), self._within(done, part=self._part(whole))]

    def item(self) -> Item:
        whole = "".join(self._pieces)
        if self._summarises:
            summary = (SummaryText(text=whole),) if whole else ()
            return ReasoningItem(id=self.id, summary=summary, content=UNSET, status=self.status)
        content = (ReasoningText(text=whole),) if whole else ()
        return ReasoningItem(id=self.id, summary=(), content=content, status=self.status)

    def _part(self, text: str) -> SummaryText | ReasoningText:
        return SummaryText(text=text) if self._summarises else ReasoningText(text=text)


class OpenCall(OpenItem):
    """A call of a tool, of a function or a custom one."""

    def __init__(self, id_: str, index: int, numbers: Iterator[int], start: ToolCallStart) -> None:
        super().__init__(id_, index, numbers)
        self._start = start
        self._pieces: list[str] = []

    def argue(self, fragment: str) -> Event:
        """Add to its arguments."""
        self._pieces.append(fragment)
        kind = events.InputDelta if self._start.custom else events.ArgumentsDelta
        return self._within(kind, delta=fragment)

    def close(self) -> list[Event]:
        whole = "".join(self._pieces)
        if self._start.custom:
            return [self._within(events.InputDone, input=whole)]
        return [self._within(events.ArgumentsDone, arguments=whole)]

    def item(self) -> Item:
        start = self._start
        return call_item(
            self.id,
            start.id,
            start.name,
            "".join(self._pieces),
            custom=start.custom,
            extra=start.extra,
            status=self.status,
        )


def call_item(
    id_: str,
    call_id: str,
    name: str,
    arguments: str,
    *,
    custom: bool,
    extra: bytes | None,
    status: ItemStatus,
) -> Item:
    """Return a call as an item, with the keys that only its upstream knows."""
    item: FunctionCallItem | CustomCallItem
    if custom:
        item = CustomCallItem(id=id_, call_id=call_id, name=name, input=arguments, status=status)
    else:
        item = FunctionCallItem(
            id=id_, call_id=call_id, name=name, arguments=arguments, status=status
        )
    own = {*item.__struct_fields__}
    keys = {name: value for name, value in from_extra(extra).items() if name not in own}
    return Raw(_encode(item)[:-1] + b"," + _encode(keys)[1:]) if keys else item


class _OpenPart:
    """A part of a message while it is written: a text with what it cites, or a refusal."""

    def __init__(self, is_refusal: bool) -> None:
        self.is_refusal = is_refusal
        self.pieces: list[str] = []
        self.cited: list[Raw] = []

    def part(self) -> OutputText | RefusalPart:
        """Return what it is so far."""
        text = "".join(self.pieces)
        if self.is_refusal:
            return RefusalPart(refusal=text)
        return OutputText(text=text, annotations=tuple(self.cited))


def _flat(annotation: dict[str, Raw]) -> Raw:
    """Return an annotation of chat completions, whose fields stand under its type, as this API has it."""
    kind = bytes(annotation.get("type", Raw()))
    for name, value in annotation.items():
        if kind == _encode(name) and bytes(value).startswith(b"{"):
            return Raw(_encode({"type": Raw(kind)} | _fields.decode(value)))
    return Raw(_encode(annotation))
