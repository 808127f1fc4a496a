"""What a session is told when something that it waited for has come: pure."""

import msgspec

from greenroom.actors.entries import AssistantEntry, ToolCall, ToolEntry
from greenroom.actors.stores.errands import Approval, Decision, Question
from greenroom.actors.stores.records import StoredTurn

_LONGEST_ANSWER = 20_000


class Wake(msgspec.Struct, frozen=True):
    """A turn that comes from inside: its text, and the calls that it begins with."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    results: tuple[ToolEntry, ...] = ()
    chain: tuple[str, ...] = ()


def reminded(text: str) -> Wake:
    """Return the turn that a reminder makes."""
    return Wake(f"[Reminder] {text}")


def decided(id_: str, approval: Approval, decision: Decision) -> Wake:
    """Return the turn that a decision makes: it makes the call, or tells that it must not be made."""
    call = msgspec.structs.replace(approval.call, id=f"call_{id_}", inner=True)
    who = decision.by or "A person"
    because = f": {decision.reason}" if decision.reason else ""
    if decision.approves:
        return Wake(
            f"[Approval {id_}] {who} has approved the call of {call.name}{because}.", (call,)
        )
    told = f"{who} has declined it{because}" if decision.by else "nobody has approved it in time"
    result = ToolEntry(call.id, f"Error: {told}. Nothing was done.", inner=True)
    return Wake(f"[Approval {id_}] The call of {call.name}: {told}.", (call,), (result,))


def answered(question: Question, answer: str) -> Wake:
    """Return the turn that another agent's answer makes; what is asked in it goes on with the chain."""
    told = f"[Agent {question.asked.agent} answers]\nThe question was: {question.text}\n\n{answer}"
    return Wake(told, chain=question.chain)


def said_by(turn: StoredTurn) -> str:
    """Return what a turn has said, or why it has not."""
    end = turn.end
    entries = () if end is None else end.entries
    texts = [entry.text for entry in entries if isinstance(entry, AssistantEntry) and entry.text]
    if end is not None and end.failure is not None:
        texts.append(f"Error: {end.failure.message}")
    return "\n\n".join(texts)[:_LONGEST_ANSWER] or "(It has said nothing.)"
