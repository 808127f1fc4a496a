"""A house takes another configuration: for turns that begin, and for none that has begun."""

import pytest
import trio
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.entries import AssistantEntry, Sampling
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.house import Way
from greenroom.actors.household import Closing
from greenroom.actors.selection import Wish
from greenroom.actors.settings import (
    AgentSettings,
    HouseSettings,
    Secret,
    SessionLimits,
)
from greenroom.actors.stores.records import SessionName, SessionState
from greenroom.actors.stores.sqlite.store import SqliteStore
from greenroom.actors.tools.toolbox import ToolPolicy
from greenroom.actors.turn import TurnRequest
from greenroom.runtime import StartFailed
from greenroom.runtime.testing import actors, crash
from tests.actors.conftest import a_system, user
from tests.actors.swapped import FIRST, LOCAL, MAIN, NEW_LOCAL, Swapped, having
from tests.stores import a_store

IN_VIRTUAL_TIME = True


async def test_a_turn_that_has_begun_keeps_all_and_the_next_has_all_that_is_new() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        swapped = await Swapped(system).open()
        first = await swapped.begin(nursery, "one")
        waiting = await swapped.begin(nursery, "two")
        agent = replace(
            MAIN, instructions="New.", model="local/n", sampling=Sampling(temperature=0.5)
        )
        await swapped.house.take(having(agent, providers=[NEW_LOCAL]))
        third = await swapped.begin(nursery, "three")
        await trio.sleep(100)
        assert [outcome.text for outcome in (*first, *waiting, *third)] == ["One two."] * 3
        old, new = swapped.channels
        assert swapped.keys == [None, Secret("new")]
        assert [prompt.model for prompt in (*old.prompts, *new.prompts)] == ["m", "n", "n"]
        assert [swapped.told(0), swapped.told(1, 0), swapped.told(1, 1)] == [
            ["Old."],
            ["New."],
            ["New."],
        ]
        assert [prompt.sampling.temperature for prompt in new.prompts] == [0.5, 0.5]
        assert len(new.heard(1)) == 6, "the session has all that was said"


class SlowToWake(SqliteStore):
    """A store that takes a minute to read a session."""

    async def load(self, name: SessionName) -> SessionState | None:
        await trio.sleep(60)
        return await super().load(name)


async def test_a_turn_that_was_taken_ends_well_though_its_agent_goes_before_it_is_told_so() -> None:
    told: list[str] = []
    async with a_system() as system, trio.open_nursery() as nursery:
        beta, store = AgentSettings("beta", "local/b"), a_store(made=SlowToWake)
        house = (await Swapped(system).open(having(MAIN, beta), store)).house
        selection = house.select(Wish("openclaw:beta", session_key="k"))
        turn = TurnRequest("t1", selection.route, (user("Hi."),), announced=True, follows="")

        @nursery.start_soon
        async def _() -> None:
            async with house.submit_first((Way(selection, turn),)) as taken:
                told.extend([type(event).__name__ async for event in taken.events])

        await wait_all_tasks_blocked()
        await house.take(FIRST)
        assert not told
    assert told[-1] == "TurnEnded"


async def test_a_model_that_the_client_has_named_stays_the_waiting_turns() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        swapped = await Swapped(system).open()
        await swapped.begin(nursery, "one")
        await swapped.begin(nursery, "two", model="local/named")
        await swapped.house.take(having(replace(MAIN, model="local/n")))
        await trio.sleep(100)
        assert [prompt.model for prompt in swapped.channels[0].prompts] == ["m", "named"]


async def test_a_new_agent_is_there_with_all_its_names() -> None:
    beta = AgentSettings("beta", "local/b", instructions="Beta.")
    async with a_system() as system:
        swapped = await Swapped(system).open()
        await swapped.house.take(replace(having(MAIN, beta), default_agent="beta"))
        assert (swapped.house.agent_ids, swapped.house.default_agent) == (("main", "beta"), "beta")
        assert swapped.house.is_agent("openclaw/beta")
        await swapped.ask(model="openclaw")
        assert swapped.told(0) == ["Beta."]
        assert [status.id for status in await swapped.house.status()] == ["main", "beta"]


async def test_an_agent_that_is_gone_ends_its_turns_in_peace_and_its_sessions_stay() -> None:
    beta = AgentSettings("beta", "other/b", instructions="Beta.")
    other = replace(LOCAL, id="other")
    async with a_system() as system, trio.open_nursery() as nursery:
        swapped = await Swapped(system).open(having(MAIN, beta, providers=[LOCAL, other]))
        house, name = swapped.house, SessionName("beta", "k")
        running = await swapped.begin(nursery, model="openclaw:beta")
        waiting = await swapped.begin(nursery, model="openclaw:beta")
        selected = house.select(Wish("openclaw:beta"))
        await house.take(FIRST)
        with pytest.raises(TurnFailed) as caught:
            house.select(Wish("openclaw:beta"))
        assert caught.value.failure.code == "agent_not_found"
        with pytest.raises(TurnFailed) as caught:
            house.submit(selected, TurnRequest("t", selected.route, (user("Late."),)))
        assert caught.value.failure.code == "agent_not_found"
        await trio.sleep(25)
        assert [outcome.text for outcome in (*running, *waiting)] == ["One two."] * 2
        assert swapped.told(1) == ["Beta."], "a turn that waited begins on the last terms"
        assert swapped.channels[1].closed == 0
        await trio.sleep(70)
        assert (swapped.names("agent"), swapped.channels[1].closed) == (["agent:main"], 1)
        entries = await house.archive.transcript(name)
        assert sum(isinstance(stored.entry, AssistantEntry) for stored in entries) == 2
        await house.archive.delete(name)


async def test_a_turn_of_an_agent_that_is_gone_can_be_cancelled() -> None:
    beta = AgentSettings("beta", "local/b")
    async with a_system() as system, trio.open_nursery() as nursery:
        swapped = await Swapped(system).open(having(MAIN, beta))
        running = await swapped.begin(nursery, model="openclaw:beta")
        await swapped.house.take(FIRST)
        assert await swapped.house.archive.cancel(SessionName("beta", "k"))
        await wait_all_tasks_blocked()
        assert running[0].failure is not None


async def test_an_agent_that_comes_back_has_the_sessions_that_it_left() -> None:
    beta = AgentSettings("beta", "other/b", instructions="Old.")
    other = replace(LOCAL, id="other")
    async with a_system() as system, trio.open_nursery() as nursery:
        swapped = await Swapped(system).open(having(MAIN, beta, providers=[LOCAL, other]))
        running = await swapped.begin(nursery, model="openclaw:beta")
        await swapped.house.take(FIRST)
        again = replace(beta, model="local/b", instructions="New.")
        await swapped.house.take(having(MAIN, again))
        next_ = await swapped.begin(nursery, model="openclaw:beta")
        assert swapped.channels[0].prompts == [], "one session, one turn at a time"
        await trio.sleep(15)
        assert (running[0].text, swapped.told(0)) == ("One two.", ["New."])
        assert swapped.channels[1].closed == 1
        await trio.sleep(100)
        assert next_[0].text == "One two."
        assert swapped.names("agent") == ["agent:main", "agent:beta"]
        await swapped.house.take(FIRST)
        await trio.sleep(100)
        await swapped.house.take(having(MAIN, again))
        assert swapped.names("agent") == ["agent:main", "agent~2:beta"]
        assert (await swapped.ask(model="openclaw:beta")).failure is None
        assert len(swapped.channels[0].heard()) == 6


async def test_an_agent_that_crashes_while_it_leaves_still_leaves(trouble: list[str]) -> None:
    beta = AgentSettings("beta", "local/b")
    async with a_system() as system:
        swapped = await Swapped(system).open(having(MAIN, beta))
        await swapped.ask(model="openclaw:beta")
        await swapped.house.take(FIRST)
        (ref,) = [ref for ref in actors(system) if ref.path.endswith("/agent:beta")]
        assert swapped.names("agent") == ["agent:main", "agent:beta"]
        crash(ref)
        await trio.sleep(1)
        assert swapped.names("agent") == ["agent:main"]
    assert trouble
    trouble.clear()


@pytest.mark.parametrize(
    "settings",
    [
        having(replace(MAIN, instructions="New."), providers=[NEW_LOCAL, replace(LOCAL, id="x")]),
        having(MAIN, AgentSettings("beta", "nowhere/b"), providers=[NEW_LOCAL]),
    ],
)
async def test_what_cannot_be_started_changes_nothing(
    settings: HouseSettings, trouble: list[str]
) -> None:
    async with a_system() as system:
        swapped = await Swapped(system).open()
        swapped.broken = "x"
        before = len(actors(system))
        with pytest.raises((StartFailed, TurnFailed)):
            await swapped.house.take(settings)
        await wait_all_tasks_blocked()
        assert len(actors(system)) == before
        assert [channel.closed for channel in swapped.channels] == [0, 1]
        assert swapped.house.settings is FIRST
        await swapped.ask()
        assert (swapped.told(0), swapped.house.agent_ids) == (["Old."], ("main",))
        swapped.broken = ""
        if settings.agents[-1].id == "main":
            await swapped.house.take(settings)
            await swapped.ask()
            assert swapped.told(2) == ["New."]
    if "actor.crashed" in trouble:
        trouble.remove("actor.crashed")


async def test_bounds_limits_and_patience_count_as_they_are_now() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        swapped = await Swapped(system).open()
        await swapped.begin(nursery, "one")
        await swapped.begin(nursery, "two")
        limits = SessionLimits(waiting_turns=1, live_sessions=1, idle=5.0)
        agent = replace(MAIN, time_limit=3.0)
        await swapped.house.take(replace(having(agent), sessions=limits))
        refused = (await swapped.ask("three")).failure
        assert refused is not None
        assert refused.code == "session_queue_full"
        began = trio.current_time()
        await trio.sleep(13.5)
        assert trio.current_time() == began + 13.5
        (status,) = await swapped.house.status()
        assert status.live_sessions == 1
        assert swapped.channels[0].left[-1] == began + 13.0, "the second had three seconds"
        swapped.channels[0].plays((1000.0,))
        await swapped.house.take(replace(having(MAIN), patience=2.0))
        late = (await swapped.ask("late", session="l")).failure
        assert late is not None
        assert late.kind is FailureKind.UPSTREAM_TIMEOUT
        await trio.sleep(70)
        (status,) = await swapped.house.status()
        assert status.live_sessions == 0


async def test_tools_and_their_policy_count_for_the_next_turn() -> None:
    async with a_system() as system:
        swapped = await Swapped(system).open()
        shown: list[list[str]] = []
        for agent in (
            MAIN,
            replace(MAIN, reminds=True),
            replace(MAIN, reminds=True, tools=ToolPolicy(deny=("forget*",))),
        ):
            await swapped.house.take(having(agent))
            await swapped.ask(session=None)
            shown.append([tool.name for tool in swapped.channels[0].prompts[-1].tools])
        assert shown == [[], ["remind", "reminders", "forget_reminder"], ["remind", "reminders"]]


async def test_two_at_once_come_one_after_the_other_and_none_at_the_end() -> None:
    async with a_system() as system:
        swapped = await Swapped(system).open()
        async with trio.open_nursery() as nursery:
            for word in "abc":
                provider = replace(LOCAL, api_key=Secret(word))
                settings = having(replace(MAIN, instructions=word), providers=[provider])
                nursery.start_soon(swapped.house.take, settings)
        await swapped.ask()
        last = swapped.keys[-1]
        assert last is not None
        assert swapped.told(-1) == [last.reveal()]
        assert [channel.closed for channel in swapped.channels] == [1, 1, 1, 0]
        await swapped.house.close(1)
        with pytest.raises(Closing):
            await swapped.house.take(FIRST)
    assert [channel.closed for channel in swapped.channels] == [1, 1, 1, 1]
