"""From entries to items, as lists of items show them; pure.

The last entry of a response's turn, where that is the model's, has the ids that its output had; any other
has its number's. What the model thought is in no entry, so it is in no list.
"""

from greenroom.actors.entries import AssistantEntry, SummaryEntry, ToolEntry, UserEntry
from greenroom.actors.stores.records import StoredEntry
from greenroom.http.responses.ids import ItemId, is_appended
from greenroom.http.responses.objects import (
    CustomOutputItem,
    FunctionOutputItem,
    Item,
    ItemStatus,
    MessageItem,
    OutputText,
    RefusalPart,
)
from greenroom.http.responses.output_items import call_item
from greenroom.http.responses.parts import show_content

Shown = tuple[ItemId, Item]


def show(stored: StoredEntry, *, is_last: bool) -> list[Shown]:
    """Return an entry's items; `is_last` tells that it is the last one of its turn."""
    turn, entry = stored.turn, stored.entry
    match entry:
        case UserEntry(content):
            id_ = ItemId("msg", turn, stored.seq)
            item: Item = MessageItem(
                id=str(id_), status="completed", role=entry.role, content=show_content(content)
            )
            return [(id_, item)]
        case ToolEntry(call_id, content):
            output = content if isinstance(content, str) else show_content(content)
            if entry.kind == "custom":
                id_ = ItemId("ctco", turn, stored.seq)
                item = CustomOutputItem(id=str(id_), call_id=call_id, output=output)
            else:
                id_ = ItemId("fco", turn, stored.seq)
                item = FunctionOutputItem(id=str(id_), call_id=call_id, output=output)
            return [(id_, item)]
        case AssistantEntry():
            return _answer(entry, turn, None if is_last and not is_appended(turn) else stored.seq)
        case SummaryEntry():
            return []


def _answer(entry: AssistantEntry, turn: str, seq: int | None) -> list[Shown]:
    status: ItemStatus = "incomplete" if entry.interrupted else "completed"
    shown: list[Shown] = []
    parts: list[OutputText | RefusalPart] = []
    if entry.text is not None:
        parts.append(OutputText(text=entry.text))
    if entry.refusal is not None:
        parts.append(RefusalPart(refusal=entry.refusal))
    if parts:
        id_ = ItemId("msg", turn, seq)
        message = MessageItem(id=str(id_), status=status, role="assistant", content=tuple(parts))
        shown.append((id_, message))
    for index, call in enumerate(entry.tool_calls):
        id_ = ItemId("ctc" if call.kind == "custom" else "fc", turn, seq, index)
        item = call_item(
            str(id_),
            call.id,
            call.name,
            call.arguments,
            custom=call.kind == "custom",
            extra=call.extra,
            status=status,
        )
        shown.append((id_, item))
    return shown
