"""Errands as a client reads and writes them: pure."""

from typing import Literal, assert_never

import msgspec

from greenroom.actors.stores.errands import Approval, Errand, Question, Reminder


class DecisionOut(msgspec.Struct, frozen=True):
    """A person's word on an approval; nobody's (`by` is null) if its time was over."""

    approves: bool
    at: float
    by: str | None
    reason: str | None


class ApprovalOut(msgspec.Struct, frozen=True, tag="approval", tag_field="kind"):
    """A tool's call that waits for a person's yes; `arguments` is JSON, `turn` the one that made it."""

    tool: str
    arguments: str
    turn: str
    decision: DecisionOut | None


class ReminderOut(msgspec.Struct, frozen=True, tag="reminder", tag_field="kind"):
    """A text that the session is to be told; `cron` is a schedule in UTC."""

    text: str
    cron: str | None


class QuestionOut(msgspec.Struct, frozen=True, tag="question", tag_field="kind"):
    """What another agent was asked, in which session of its own."""

    agent: str
    session: str
    text: str


class ErrandOut(msgspec.Struct, frozen=True, kw_only=True):
    """What a session waits for; times are Unix seconds."""

    object: Literal["errand"] = "errand"
    id: str
    agent: str
    session: str
    created_at: float
    due_at: float
    tries: int
    what: ApprovalOut | ReminderOut | QuestionOut


class ErrandList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of errands in the order of their ids; `next` is the next page's `after`."""

    object: Literal["list"] = "list"
    data: tuple[ErrandOut, ...]
    has_more: bool
    next: str | None


class ReminderIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reminder to be made: at a time, or by a schedule of five fields, in UTC."""

    session: str
    text: str
    agent: str | None = None
    at: float | None = None
    cron: str | None = None


class DecisionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person's word; `by` is who that is."""

    approves: bool
    by: str = "the operator"
    reason: str | None = None


class Forgotten(msgspec.Struct, frozen=True):
    """An errand that is called off."""

    id: str
    object: Literal["errand.deleted"] = "errand.deleted"
    deleted: bool = True


def errand_of(errand: Errand) -> ErrandOut:
    """Return an errand as a client reads it."""
    return ErrandOut(
        id=errand.id,
        agent=errand.session.agent,
        session=errand.session.key,
        created_at=errand.created,
        due_at=errand.due,
        tries=errand.tries,
        what=_what(errand),
    )


def _what(errand: Errand) -> ApprovalOut | ReminderOut | QuestionOut:
    match errand.business:
        case Approval(turn, call, decision):
            said = None
            if decision is not None:
                said = DecisionOut(decision.approves, decision.at, decision.by, decision.reason)
            return ApprovalOut(call.name, call.arguments, turn, said)
        case Reminder(text, cron):
            return ReminderOut(text, cron)
        case Question(asked, text):
            return QuestionOut(asked.agent, asked.key, text)
        case never:
            assert_never(never)
