"""How a child begins: with a spawner who waits for its start, or with nobody waiting."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import trio

from greenroom.runtime.cell import TEMPORARY, Cell
from greenroom.runtime.incarnation import Incarnation
from greenroom.runtime.message import Message
from greenroom.runtime.ref import Ref
from greenroom.runtime.supervision import Policy

if TYPE_CHECKING:
    from greenroom.runtime.actor import Actor

C = TypeVar("C", bound=Message)


async def spawn(
    host: Incarnation[Any],
    name: str,
    actor: "Actor[C]",
    *,
    create: "Callable[[], Actor[C]] | None" = None,
    policy: Policy = TEMPORARY,
) -> Ref[C]:
    """Begin a child and wait for its start; see `Actor.spawn` and `Actor.supervise`."""
    path = f"{host.cell.path}/{name}"
    cell = Cell(host.cell.common, host, path, name, actor, create=create, policy=policy)
    nursery = host.adopt(cell)
    return cast("Ref[C]", await nursery.start(cell.run, name=path))


def spawn_soon(host: Incarnation[Any], name: str, actor: "Actor[C]") -> Ref[C]:
    """Begin a child and do not wait: its mailbox is open now; see `Actor.spawn_soon`."""
    path = f"{host.cell.path}/{name}"
    cell = Cell(host.cell.common, host, path, name, actor)
    # Over `Nursery.start`, which makes a nursery of its own, this takes 30 µs off a turn.
    host.adopt(cell).start_soon(cell.run, trio.TASK_STATUS_IGNORED, name=path)
    return cell.ref


def activate(
    host: Incarnation[Any],
    key: str,
    create: "Callable[[], Actor[C]]",
    *,
    policy: Policy,
    follows: Cell[C] | None,
    tells_time: bool,
) -> Cell[C]:
    """Begin a keyed child, after the end of `follows`, and do not wait: its mailbox is open now."""
    path = f"{host.cell.path}/{key}"
    cell = Cell(
        host.cell.common,
        host,
        path,
        None,
        create(),
        create=create,
        policy=policy,
        follows=follows,
        tells_time=tells_time,
    )
    host.adopt(cell).start_soon(cell.run, trio.TASK_STATUS_IGNORED, name=path)
    return cell
