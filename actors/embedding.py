"""Texts made vectors: a call of a model beside all sessions, in its caller's own task.

It is tried once. What may be tried again is its client's to say, who loses nothing by it.
"""

from typing import TYPE_CHECKING

import msgspec
import trio

from greenroom.actors.calling import Upstreams, cost_of, log_dropped
from greenroom.actors.channels.channel import Usage
from greenroom.actors.channels.embedding import Embedded, Embedding, Embeds
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.provider import Lease, Permit
from greenroom.actors.turn import Route
from greenroom.runtime import RuntimeFault

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class Vectors(msgspec.Struct, frozen=True):
    """What came of a call; `cost` is money by the configuration's prices, None where there are none.

    `called` and `answered` are when the upstream was asked and had answered, by trio's clock.
    """

    embedded: Embedded
    cost: float | None
    called: float
    answered: float


async def embed(
    upstreams: Upstreams, route: Route, wanted: Embedding, log: "FilteringBoundLogger"
) -> Vectors:
    """Have a model embed, within the time that a turn has to begin.

    Raises:
        TurnFailed: what the provider refuses, the upstream answers, or what its API cannot do.
    """
    called = trio.current_time()
    upstreams.hold()
    try:
        made = await _embed(upstreams, route, wanted, log)
    finally:
        upstreams.let_go()
    if made is None:
        raise TurnFailed.of(FailureKind.UPSTREAM_TIMEOUT, f"'{route}' did not answer in time.")
    return Vectors(*made, called, trio.current_time())


async def _embed(
    upstreams: Upstreams, route: Route, wanted: Embedding, log: "FilteringBoundLogger"
) -> tuple[Embedded, float | None] | None:
    with trio.move_on_after(upstreams.patience):
        try:
            async with upstreams.provider(route).stream(Lease(route.model)) as lease:
                permit = await anext(lease)
                embedded = await _ask(permit, route, wanted)
        except RuntimeFault:
            log.exception("embedding.provider_gone", provider=route.provider)
            what = f"Provider '{route.provider}' is not running."
            raise TurnFailed(Failure(FailureKind.INTERNAL, what)) from None
        log_dropped(embedded.notes.dropped, route, log)
        cost = None if permit.price is None else permit.call.cost
        return embedded, cost
    return None


async def _ask(permit: Permit, route: Route, wanted: Embedding) -> Embedded:
    channel, call = permit.channel, permit.call
    try:
        if not isinstance(channel, Embeds):
            what = f"The provider '{route.provider}' has no embeddings."
            raise TurnFailed.of(FailureKind.INVALID_REQUEST, what, param="model")
        embedded = await channel.embed(msgspec.structs.replace(wanted, model=route.model))
    except TurnFailed as failed:
        call.failure = failed.failure
        raise
    call.answered = True
    call.usage = Usage(prompt=embedded.tokens)
    if permit.price is not None:
        call.cost = cost_of(call.usage, permit.price)
    return embedded
