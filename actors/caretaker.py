"""What the store is to forget, forgotten bit by bit beside everything else."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from greenroom.actors.stores.records import Retention
from greenroom.actors.stores.store import Store, StoreFailed

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

PAUSE_S = 60.0
"""Between two looks at what is due."""
STEP_S = 0.05
"""Between two steps, so that turns go before them."""


async def take_care(
    store: Store,
    retention: Callable[[], Retention],
    clock: Callable[[], float],
    log: "FilteringBoundLogger",
) -> None:
    """Take small steps of retention until cancelled; what fails is tried again at the next look."""
    while True:
        more = False
        try:
            kept = await store.retain(retention(), clock())
        except StoreFailed as error:
            log.warning("store.retention_failed", error=str(error))
        else:
            more = kept.more
            for name in kept.deleted:
                log.info("session.deleted", agent=name.agent, session=name.key)
        await trio.sleep(STEP_S if more else PAUSE_S)
