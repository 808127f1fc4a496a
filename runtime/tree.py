"""A system's actors as they stand: read off, without sending or waiting."""

from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec
import trio

if TYPE_CHECKING:
    from greenroom.runtime.cell import Cell


class State(Enum):
    """What an actor does at this moment."""

    STARTING = "starting"
    WAITING = "waiting"
    WORKING = "working"
    RESTARTING = "restarting"
    STOPPING = "stopping"


class Node(msgspec.Struct, frozen=True):
    """One actor.

    `depth` counts the messages that wait, `restarts` those of its whole life; `age` is in seconds
    since it was begun; `message` is the type of the message in hand. `children` is empty where the
    tree was cut; `child_count` tells them all the same.
    """

    path: str
    actor: str
    state: State
    depth: int
    restarts: int
    age: float
    message: str | None
    child_count: int
    children: tuple["Node", ...]


def survey(cell: "Cell[Any]", levels: int | None) -> Node:
    """Read off an actor and `levels` levels of what is below it; all of it without a number."""
    life = cell.life
    current = life.current
    children = life.children or ()
    below = None if levels is None else levels - 1
    return Node(
        path=cell.path,
        actor=cell.kind,
        state=_state(cell),
        depth=cell.mailbox.depth,
        restarts=cell.restarts,
        age=trio.current_time() - cell.born,
        message=None if current is None else type(current.message).__name__,
        child_count=len(children),
        children=() if levels == 0 else tuple(survey(child, below) for child in children),
    )


def _state(cell: "Cell[Any]") -> State:
    life = cell.life
    if life.current is not None:
        return State.WORKING
    if cell.is_waiting_to_restart:
        return State.RESTARTING
    if life.is_stopping:
        return State.STOPPING
    return State.WAITING if life.begun else State.STARTING
