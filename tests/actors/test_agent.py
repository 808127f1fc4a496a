"""An agent hosts its sessions: each begins with its first message, and their number is bounded."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.agent import AgentStatus
from greenroom.runtime import ActorStopped, DirectoryFull, NotAccepted
from tests.actors.conftest import (
    HERE,
    SLOW,
    PlayedChannel,
    Reader,
    a_system,
    set_stage,
    user,
    words,
)


async def test_it_tells_what_it_is_and_how_many_sessions_are_alive() -> None:
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel())
        assert await stage.status() == AgentStatus("main", str(HERE), 0)
        for key in ("a", "b", "a"):
            await stage.ask(key, user("Hi"))
        assert await stage.status() == AgentStatus("main", str(HERE), 2)


async def test_past_its_bound_no_new_session_begins_and_those_alive_go_on() -> None:
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel(), live_sessions=2)
        await stage.ask("a", user("Hi"))
        await stage.ask("b", user("Hi"))
        with pytest.raises(DirectoryFull):
            await stage.ask("c", user("Hi"))
        assert (await stage.ask("a", user("Hi"))).ended


async def test_ephemeral_sessions_have_a_bound_of_their_own_and_count_until_their_end(
    autojump_clock: MockClock,
) -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        stage = await set_stage(system, PlayedChannel(SLOW), live_sessions=1)
        await Reader(stage, "a", user("Hi"), ephemeral=True).join(nursery)
        with pytest.raises(DirectoryFull):
            await stage.ask("b", user("Hi"), ephemeral=True)
        assert (await stage.ask("c", user("Hi"))).ended
        assert trio.current_time() == 10
        await wait_all_tasks_blocked()
        assert (await stage.ask("b", user("Hi"), ephemeral=True)).ended
        with pytest.raises(DirectoryFull):
            await stage.ask("d", user("Hi"))


async def test_its_end_is_the_end_of_its_sessions_and_of_no_other_agents(
    autojump_clock: MockClock,
) -> None:
    async with a_system() as system:
        stage = await set_stage(system, PlayedChannel(SLOW))
        await stage.ask("a", user("Hi"))
        assert stage.host.sessions.live == 1
        stage.agent.stop()
        await stage.agent.stopped()
        assert stage.host.sessions.live == 0
        with pytest.raises(NotAccepted):
            await stage.ask("a", user("Hi"))


async def test_a_session_that_runs_when_its_agent_stops_tells_its_client(
    autojump_clock: MockClock, trouble: list[str]
) -> None:
    channel = PlayedChannel((1e9, *words("Yes.")))
    async with a_system() as system:
        stage = await set_stage(system, channel)
        async with stage.open("a", user("Hi")) as events:
            await wait_all_tasks_blocked()
            stage.agent.stop()
            with pytest.raises(ActorStopped):
                await anext(events)
        await stage.agent.stopped()
        assert channel.under_way == 0
    assert set(trouble) == {"actor.children_stuck"}
    trouble.clear()
