"""The events of a streamed response, each with its place in the stream; source: as in `objects`."""

from msgspec import Raw

from greenroom.http.responses.objects import Item, OutputPart, Response, SummaryText, Typed


class Event(Typed, frozen=True, kw_only=True):
    """Any event; they count from 0."""

    sequence_number: int


class Snapshot(Event, frozen=True, kw_only=True):
    """An event that shows the whole response."""

    response: Response


class Created(Snapshot, frozen=True, kw_only=True, tag="response.created"):
    """There is a response."""


class Queued(Snapshot, frozen=True, kw_only=True, tag="response.queued"):
    """It waits."""


class InProgress(Snapshot, frozen=True, kw_only=True, tag="response.in_progress"):
    """The model is at work."""


class Completed(Snapshot, frozen=True, kw_only=True, tag="response.completed"):
    """It ended well."""


class Incomplete(Snapshot, frozen=True, kw_only=True, tag="response.incomplete"):
    """It ended before the model was done."""


class Failed(Snapshot, frozen=True, kw_only=True, tag="response.failed"):
    """It failed, or was cancelled."""


class StreamError(Event, frozen=True, kw_only=True, tag="error"):
    """This stream has failed; what became of the response is not known here."""

    code: str | None
    message: str
    param: str | None


class OfItem(Event, frozen=True, kw_only=True):
    """An event about an item of the output."""

    output_index: int


class ItemAdded(OfItem, frozen=True, kw_only=True, tag="response.output_item.added"):
    """An item begins."""

    item: Item


class ItemDone(OfItem, frozen=True, kw_only=True, tag="response.output_item.done"):
    """An item is what it will be."""

    item: Item


class Named(OfItem, frozen=True, kw_only=True):
    """An event within an item."""

    item_id: str


class OfPart(Named, frozen=True, kw_only=True):
    """An event about a part of an item's content."""

    content_index: int = 0


class PartAdded(OfPart, frozen=True, kw_only=True, tag="response.content_part.added"):
    """A part begins."""

    part: OutputPart


class PartDone(OfPart, frozen=True, kw_only=True, tag="response.content_part.done"):
    """A part is what it will be."""

    part: OutputPart


class TextDelta(OfPart, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """A piece of text."""

    delta: str
    logprobs: tuple[()] = ()


class TextDone(OfPart, frozen=True, kw_only=True, tag="response.output_text.done"):
    """A text, whole."""

    text: str
    logprobs: tuple[()] = ()


class AnnotationAdded(
    OfPart, frozen=True, kw_only=True, tag="response.output_text.annotation.added"
):
    """What a text cites."""

    annotation_index: int
    annotation: Raw


class RefusalDelta(OfPart, frozen=True, kw_only=True, tag="response.refusal.delta"):
    """A piece of a refusal."""

    delta: str


class RefusalDone(OfPart, frozen=True, kw_only=True, tag="response.refusal.done"):
    """A refusal, whole."""

    refusal: str


class ReasoningDelta(OfPart, frozen=True, kw_only=True, tag="response.reasoning_text.delta"):
    """A piece of thinking."""

    delta: str


class ReasoningDone(OfPart, frozen=True, kw_only=True, tag="response.reasoning_text.done"):
    """A thought, whole."""

    text: str


class OfSummary(Named, frozen=True, kw_only=True):
    """An event about a summary of the model's thinking."""

    summary_index: int = 0


class SummaryAdded(
    OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_part.added"
):
    """A summary begins."""

    part: SummaryText


class SummaryDone(OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_part.done"):
    """A summary is what it will be."""

    part: SummaryText


class SummaryDelta(
    OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_text.delta"
):
    """A piece of a summary."""

    delta: str


class SummaryTextDone(
    OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_text.done"
):
    """A summary's text, whole."""

    text: str


class ArgumentsDelta(
    Named, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    """A piece of a call's arguments."""

    delta: str


class ArgumentsDone(Named, frozen=True, kw_only=True, tag="response.function_call_arguments.done"):
    """A call's arguments, whole."""

    arguments: str


class InputDelta(Named, frozen=True, kw_only=True, tag="response.custom_tool_call_input.delta"):
    """A piece of a custom call's input."""

    delta: str


class InputDone(Named, frozen=True, kw_only=True, tag="response.custom_tool_call_input.done"):
    """A custom call's input, whole."""

    input: str
