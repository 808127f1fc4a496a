"""What crashes in a house comes back; what it did at the time fails, and says so."""

from random import Random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.providers import ALWAYS
from greenroom.runtime import Crashed, System
from greenroom.runtime.supervision import RestartAfter, Restarts, decide
from greenroom.runtime.testing import actors, crash
from tests.actors.conftest import a_system
from tests.actors.test_house import ask, open_house


async def crash_one(system: System, path: str) -> None:
    [ref] = [ref for ref in actors(system) if ref.path == f"greenroom/{path}"]
    crash(ref)
    await wait_all_tasks_blocked()


@pytest.mark.parametrize("path", ["provider:local", "agent:main"])
async def test_an_agent_and_a_provider_come_back_after_a_crash(
    autojump_clock: MockClock, trouble: list[str], path: str
) -> None:
    async with a_system() as system:
        house, channels = await open_house(system)
        await ask(house, "main", "k", "one")
        first = channels.by_provider["local"]
        await crash_one(system, path)
        await trio.sleep(1)
        await ask(house, "main", "k", "two")
        status = {agent.id: agent.live_sessions for agent in await house.status()}
        assert status == {"main": 1, "beta": 0}
        if path == "provider:local":
            # The session has lived on, and the provider has a channel of its own again.
            assert first.closed == 1
            assert len(channels.by_provider["local"].prompts[0].entries) == 4
        else:
            # Its sessions go with it, and are read again.
            assert len(first.prompts[1].entries) == 4
    assert trouble == ["actor.crashed", "actor.restarting"]
    trouble.clear()


async def test_a_session_that_crashes_is_read_again_by_the_next_turn(
    autojump_clock: MockClock, trouble: list[str]
) -> None:
    async with a_system() as system:
        house, channels = await open_house(system)
        await ask(house, "main", "k", "one")
        await crash_one(system, "agent:main/k")
        await ask(house, "main", "k", "two")
        assert len(channels.by_provider["local"].prompts[1].entries) == 4
    assert trouble == ["actor.crashed"]
    trouble.clear()


def test_a_house_never_gives_up_on_a_part_of_it() -> None:
    class Least(Random):
        """Chance that makes each wait as short as it may be."""

        def random(self) -> float:
            return 1.0

    restarts, now = Restarts(), 0.0
    for _ in range(1000):
        decision = decide(ALWAYS, Crashed(ValueError()), restarts, now, Least(), told=False)
        assert isinstance(decision, RestartAfter)
        now += decision.seconds
        restarts.begun(now)
