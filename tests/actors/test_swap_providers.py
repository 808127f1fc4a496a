"""A house takes other providers: nobody loses the one that they call, and none is left behind."""

from random import Random

import pytest
import trio
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.embedding import Embedding
from greenroom.actors.channels.scripted import ScriptedChannel
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.house import House, new_id
from greenroom.actors.selection import Wish
from greenroom.actors.settings import (
    AgentSettings,
    Cooldown,
    Secret,
)
from greenroom.actors.turn import OnDisconnect, Sender, TurnRequest
from greenroom.runtime.testing import actors
from tests.actors.conftest import SLOW, Outcome, a_system, user, wishes, words
from tests.actors.swapped import FIRST, LOCAL, MAIN, NEW_LOCAL, Swapped, having
from tests.conftest import Lines
from tests.stores import a_store

IN_VIRTUAL_TIME = True


async def test_a_turn_with_several_calls_makes_all_of_them_by_what_it_began_with() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        main = replace(MAIN, reminds=True)
        swapped = await Swapped(system).open(having(main))
        swapped.channels[0].plays((5.0, *wishes("c1", tool="reminders")), SLOW)
        swapped.play = words("New.")
        outcome = await swapped.begin(nursery)
        await swapped.house.take(
            having(replace(main, model="other/m"), providers=[replace(LOCAL, id="other")])
        )
        await trio.sleep(7)
        assert len(swapped.channels[0].prompts) == 2, "between its calls its provider is up"
        assert swapped.channels[0].closed == 0
        await trio.sleep(100)
        assert outcome[0].text.endswith("One two.")
        assert (swapped.channels[0].closed, swapped.channels[0].under_way_at_close) == (1, 0)
        assert (await swapped.ask()).text == "New."


async def test_a_provider_is_closed_at_the_end_of_its_last_call_and_its_counts_begin_anew() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        swapped = await Swapped(system).open()
        await swapped.ask()
        await swapped.begin(nursery, session=None)
        await trio.sleep(5)
        await swapped.begin(nursery)
        await swapped.house.take(having(MAIN, providers=[NEW_LOCAL]))
        assert [status.calls for status in await swapped.house.provider_status()] == [0]
        assert swapped.names("provider") == ["provider:local", "provider~2:local"]
        await trio.sleep(6)
        assert swapped.channels[0].closed == 0
        await trio.sleep(5)
        assert (swapped.channels[0].closed, swapped.channels[0].under_way_at_close) == (1, 0)
        assert swapped.names("provider") == ["provider~2:local"]
        await swapped.ask()
        (status,) = await swapped.house.provider_status()
        assert (status.calls, status.cost) == (1, 2.0)


async def test_a_provider_with_nothing_to_do_is_closed_at_once_and_one_as_before_goes_on() -> None:
    other = replace(LOCAL, id="other")
    async with a_system() as system:
        swapped = await Swapped(system).open(having(MAIN, providers=[LOCAL, other]))
        await swapped.ask()
        await swapped.house.take(having(MAIN, providers=[LOCAL, replace(other, max_concurrent=1)]))
        await wait_all_tasks_blocked()
        assert [channel.closed for channel in swapped.channels] == [0, 1, 0]
        assert [status.calls for status in await swapped.house.provider_status()] == [1, 0]
        await swapped.house.take(having(MAIN))
        await wait_all_tasks_blocked()
        assert [channel.closed for channel in swapped.channels] == [0, 1, 1]
        outcome = await swapped.ask(model="openclaw:main")
        assert outcome.failure is None
        with pytest.raises(TurnFailed):
            swapped.house.select(Wish("other/m"))


async def test_a_waiting_turn_whose_named_provider_is_gone_is_told_so() -> None:
    other = replace(LOCAL, id="other")
    async with a_system() as system, trio.open_nursery() as nursery:
        swapped = await Swapped(system).open(having(MAIN, providers=[LOCAL, other]))
        await swapped.begin(nursery)
        waiting = await swapped.begin(nursery, model="other/m")
        await swapped.house.take(having(MAIN))
        await trio.sleep(100)
        failure = waiting[0].failure
        assert failure is not None
        assert (failure.kind, failure.code) == (FailureKind.NOT_FOUND, "model_not_found")
        assert (await swapped.ask()).failure is None


async def test_a_resting_provider_that_changes_rests_no_more(trouble: list[str]) -> None:
    cooled = replace(LOCAL, cooldown=Cooldown(failures=1, seconds=1000))
    async with a_system() as system:
        swapped = Swapped(system)
        swapped.play = (TurnFailed.of(FailureKind.UPSTREAM_ERROR, "It broke."),)
        await swapped.open(having(MAIN, providers=[cooled]))
        await swapped.ask()
        resting = (await swapped.ask()).failure
        assert resting is not None
        assert resting.code == "upstream_resting"
        swapped.play = words("Well.")
        await swapped.house.take(having(MAIN, providers=[replace(cooled, api_key=Secret("x"))]))
        assert (await swapped.ask()).text == "Well."
    trouble.remove("provider.resting")


async def test_an_embedding_under_way_keeps_its_provider_up() -> None:
    class Slow(ScriptedChannel):
        closed = False

        async def embed(self, wanted: Embedding):  # type: ignore[no-untyped-def]
            await trio.sleep(10)
            assert not self.closed
            return await super().embed(wanted)

        async def aclose(self) -> None:
            self.closed = True
            await super().aclose()

    async with a_system() as system, trio.open_nursery() as nursery:
        channels = [Slow(), Slow()]
        rest = iter(channels)
        house = await House.open(system, FIRST, a_store(), lambda _: next(rest))
        selection = house.select(Wish("local/m"))

        async def embed() -> None:
            vectors = await house.embed(selection, Embedding("m", ("a",)), Lines().log)
            assert len(vectors.embedded.vectors) == 1

        nursery.start_soon(embed)
        await wait_all_tasks_blocked()
        await house.take(having(MAIN, providers=[NEW_LOCAL]))
        await trio.sleep(9)
        assert not channels[0].closed
        await trio.sleep(2)
        assert channels[0].closed


async def test_nothing_is_left_behind_by_many_changes_with_turns_under_way() -> None:
    random = Random(7)
    async with a_system() as system:
        swapped = await Swapped(system).open()
        await trio.sleep(100)
        before = len(actors(system))
        outcomes: list[list[Outcome]] = []
        async with trio.open_nursery() as nursery:
            for nth in range(20):
                provider = replace(LOCAL, api_key=Secret(str(nth)))
                passing = AgentSettings(f"a{nth}", "local/x")
                agents = [replace(MAIN, instructions=str(nth)), passing][: random.randint(1, 2)]
                await swapped.house.take(having(*agents, providers=[provider]))
                for agent in agents:
                    model = f"openclaw:{agent.id}"
                    session = random.choice([None, "k", "l"])
                    outcomes.append(await swapped.begin(nursery, model=model, session=session))
                await trio.sleep(random.choice([0, 1, 12]))
        await swapped.house.take(FIRST)
        await trio.sleep(200)
        assert [outcome.failure for (outcome,) in outcomes] == [None] * len(outcomes)
        assert {outcome.text for (outcome,) in outcomes} == {"One two."}
        assert len(actors(system)) == before
        assert [channel.closed for channel in swapped.channels[:-1]] == [1] * 21
        assert not any(channel.under_way_at_close for channel in swapped.channels)


async def test_a_session_that_dies_with_its_run_lets_go_of_its_provider() -> None:
    async with a_system() as system, trio.open_nursery() as nursery:
        swapped = await Swapped(system).open()
        with trio.CancelScope() as leaving:
            nursery.start_soon(leave_soon, swapped, leaving)
            await wait_all_tasks_blocked()
        await swapped.house.take(having(MAIN, providers=[NEW_LOCAL]))
        (ref,) = [ref for ref in actors(system) if ref.path.endswith("/agent:main/k")]
        ref.kill()
        await trio.sleep(1)
        assert swapped.channels[0].closed == 1


async def leave_soon(swapped: Swapped, scope: trio.CancelScope) -> None:
    selection = swapped.house.select(Wish("openclaw:main", session_key="k"))
    stays = Sender(on_disconnect=OnDisconnect.CONTINUE)
    turn = TurnRequest(new_id(), selection.route, (user("a"),), sender=stays, is_own=True)
    async with swapped.house.submit(selection, turn) as stream:
        await anext(stream)
