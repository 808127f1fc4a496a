"""Whatever tools do, however a turn ends, whenever the gateway dies: every call has its result."""

from collections.abc import Sequence

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.entries import AssistantEntry, ToolEntry
from greenroom.actors.settings import Bounds
from greenroom.actors.tools.tool import Call, ToolFailed
from greenroom.actors.turn import OnBusy, Sender
from tests.actors.conftest import (
    FAULT,
    TROUBLE,
    PlayedChannel,
    Reader,
    Stage,
    Step,
    a_system,
    in_virtual_time,
    open_calls,
    set_stage,
    user,
    words,
)
from tests.actors.tools.conftest import OUTER, Wish, a_tool, calling, transcript_of
from tests.stores import a_store

BEHAVIOURS = ("quick", "slow", "fails", "crashes", "hangs")

answers = st.lists(st.sampled_from((*BEHAVIOURS, "outer", "nowhere")), min_size=1, max_size=4)
scripts = st.lists(answers, max_size=4)
endings = st.sampled_from(["whole", "fault", "cut"])
disturbances = st.sampled_from(["none", "leave", "interrupt", "rollback", "kill"])


async def behave(call: Call) -> str:
    await trio.lowlevel.checkpoint()
    if "slow" in call.id:
        await trio.sleep(3)
    if "fails" in call.id:
        raise ToolFailed("no")
    if "crashes" in call.id:
        raise ZeroDivisionError
    if "hangs" in call.id:
        await trio.sleep_forever()
    return "done"


def play_of(script: Sequence[Sequence[str]], ending: str) -> list[Sequence[Step]]:
    plays: list[Sequence[Step]] = []
    for number, names in enumerate(script):
        wished: list[Wish] = [
            (f"{name}-{number}-{place}", name) for place, name in enumerate(names)
        ]
        plays.append(calling(*wished, text=f"Step {number}."))
    last: Sequence[Step] = words("Done.")
    if ending == "fault":
        last = [FAULT]
    elif ending == "cut":
        last = [*words("Half")[:1], FAULT]
    return [*plays, last]


@settings(max_examples=200)
@given(scripts, endings, disturbances, st.floats(0, 12), st.integers(1, 5))
def test_every_call_has_its_result_and_every_turn_an_end(
    script: list[list[str]], ending: str, disturbance: str, at: float, steps: int
) -> None:
    async def main() -> None:
        store = a_store()
        channel = PlayedChannel(*play_of(script, ending))
        tools = [a_tool(name, behave, seconds=5) for name in BEHAVIOURS]
        async with a_system() as system, trio.open_nursery() as nursery:
            stage = await set_stage(
                system, channel, store=store, tools=tools, bounds=Bounds(steps=steps)
            )
            reader = await Reader(stage, "k", user("Go."), tools=[OUTER]).join(nursery)
            await trio.sleep(at)
            match disturbance:
                case "leave":
                    reader.leave()
                case "interrupt" | "rollback":
                    channel.plays(words("Next."))
                    policy = OnBusy(disturbance)
                    await stage.ask("k", user("Next!"), sender=Sender(on_busy=policy))
                case "kill":
                    stage.agent.kill()
                    nursery.cancel_scope.cancel()
                case _:
                    pass
            await trio.sleep(200)
        # Whoever wakes the session next closes what is open, and it goes on.
        async with a_system() as system:
            after = PlayedChannel(words("After."))
            stage = await set_stage(system, after, store=store, tools=tools, first_turn=100)
            assert (await stage.ask("k", user("And now?"))).text == "After."
        kept = await transcript_of(store)
        assert open_calls(kept) == []
        state = [entry for entry in kept if isinstance(entry, AssistantEntry)]
        assert state[-1].text == "After."
        results = [entry for entry in kept if isinstance(entry, ToolEntry)]
        assert len({entry.call_id for entry in results}) == len(results), "no call has two results"
        TROUBLE[:] = [
            event
            for event in TROUBLE
            if event not in {"tool.crashed", "tool.timed_out", "session.turn_left_open"}
        ]

    in_virtual_time(main)


def test_many_sessions_run_tools_at_once_and_a_bad_one_harms_no_other() -> None:
    """500 sessions, one tool that hangs and one that crashes: the others take as long as alone."""

    async def main() -> None:
        tools = [a_tool(name, behave, seconds=60) for name in BEHAVIOURS]
        took: list[float] = []

        async with a_system() as system, trio.open_nursery() as nursery:
            for number in range(500):
                kind = {0: "hangs", 1: "crashes"}.get(number % 50, "slow")
                wish = (f"{kind}-{number}", kind)
                channel = PlayedChannel(
                    calling(wish), calling((f"slow-{number}-2", "slow")), words("Done.")
                )
                stage = await set_stage(system, channel, tools=tools, name=str(number))

                async def one(stage: Stage = stage, kind: str = kind) -> None:
                    began = trio.current_time()
                    outcome = await stage.ask("k", user("Go."))
                    assert outcome.text == "Done."
                    if kind == "slow":
                        took.append(trio.current_time() - began)

                nursery.start_soon(one)
        assert len(took) == 480
        assert max(took) == 6
        assert set(TROUBLE) == {"tool.crashed", "tool.timed_out"}
        TROUBLE.clear()

    in_virtual_time(main)
