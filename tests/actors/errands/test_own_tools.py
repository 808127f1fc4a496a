"""Agents ask one another, and wake themselves; what one has asked for is never lost."""

import msgspec
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import (
    Deltas,
    Finish,
    FinishReason,
    ToolCallArguments,
    ToolCallStart,
)
from greenroom.actors.entries import ToolEntry, UserEntry
from greenroom.actors.stores.records import SessionName
from tests.actors.conftest import FAULT, PlayedChannel, Step, a_system, said, user, words
from tests.actors.errands.conftest import Small, a_house, an_agent
from tests.stores import a_store

IN_VIRTUAL_TIME = True

ASKED = SessionName("cook", "agent:cook:subagent:t1.c1")


def uses(tool: str, **arguments: object) -> tuple[Deltas, ...]:
    text = msgspec.json.encode(arguments).decode()
    return (
        (ToolCallStart(0, "c1", tool), ToolCallArguments(0, text)),
        (Finish(FinishReason.TOOL_CALLS),),
    )


def asks(agent: str = "cook", *, wait: bool = True) -> tuple[Deltas, ...]:
    return uses("ask_agent", agent_id=agent, message="What is for dinner?", wait=wait)


async def two(system: object, main: PlayedChannel, cook: PlayedChannel) -> Small:
    agents = (an_agent(asks=("cook",)), an_agent("cook", asks=("main",)))
    return await a_house(main=main, cook=cook).open(system, *agents)  # type: ignore[arg-type]


def result_of(kept: object) -> str:
    [result] = [entry for entry in kept if isinstance(entry, ToolEntry)]  # type: ignore[attr-defined]
    return str(result.content)


async def test_an_agent_asks_another_and_both_remember_it() -> None:
    main, cook = PlayedChannel(asks(), words("Soup!")), PlayedChannel(words("Soup."))
    async with a_system() as system:
        small = await two(system, main, cook)
        assert await small.ask(user("Dinner?")) == "Soup!"
        assert result_of(await small.said()) == "Soup."
        question = UserEntry("What is for dinner?", inner=True)
        assert await small.said(ASKED) == [question, said("Soup.")]


async def test_what_goes_wrong_there_is_told_here() -> None:
    main, cook = PlayedChannel(asks(), words("Well.")), PlayedChannel([FAULT])
    async with a_system() as system:
        small = await two(system, main, cook)
        await small.ask(user("Dinner?"))
        assert "agent 'cook' has not answered: It broke." in result_of(await small.said())


async def test_who_waits_for_an_answer_is_not_asked() -> None:
    main = PlayedChannel(asks(), words("Well."))
    cook = PlayedChannel(asks("main"), words("I cannot ask."))
    async with a_system() as system:
        small = await two(system, main, cook)
        await small.ask(user("Dinner?"))
        assert "waits for this answer itself" in result_of(await small.said(ASKED))
        assert result_of(await small.said()) == "I cannot ask."


async def test_only_those_are_asked_that_it_may_ask() -> None:
    main = PlayedChannel(asks("stranger"), words("Well."))
    async with a_system() as system:
        small = await two(system, main, PlayedChannel(words("Soup.")))
        await small.ask(user("Dinner?"))
        assert "there is no agent 'stranger' to ask; there are: cook" in result_of(
            await small.said()
        )


async def test_to_cancel_who_asks_is_to_cancel_who_is_asked() -> None:
    slow: list[Step] = [1000.0, *words("Soup.")]
    main, cook = PlayedChannel(asks(), words("Soup!")), PlayedChannel(slow)
    async with a_system() as system:
        small = await two(system, main, cook)
        with trio.move_on_after(10):
            await small.ask(user("Dinner?"))
        await wait_all_tasks_blocked()
        assert cook.left == [10]
        assert cook.under_way == 0


async def test_who_does_not_wait_is_told_later() -> None:
    slow: list[Step] = [60.0, *words("Soup.")]
    main = PlayedChannel(asks(wait=False), words("I have asked."), words("Soup!"))
    async with a_system() as system:
        small = await two(system, main, PlayedChannel(slow))
        assert await small.ask(user("Dinner?")) == "I have asked."
        assert trio.current_time() < 1
        await trio.sleep(61)
        kept = await small.said()
        assert await small.house.agenda.list() == []
    assert kept[-2:] == [
        UserEntry(
            "[Agent cook answers]\nThe question was: What is for dinner?\n\nSoup.", inner=True
        ),
        said("Soup!"),
    ]


async def test_who_is_told_an_answer_may_ask_again_but_not_for_ever() -> None:
    main = PlayedChannel(*[asks(wait=False), words("I have asked.")] * 5)
    async with a_system() as system:
        small = await two(system, main, PlayedChannel(*[words("Soup.")] * 5))
        await small.ask(user("Dinner?"))
        await trio.sleep(1000)
        kept = await small.said()
        assert await small.house.agenda.list() == []
    results = [str(entry.content) for entry in kept if isinstance(entry, ToolEntry)]
    assert [text.startswith("Asked, as ") for text in results] == [True, True, True, False]
    assert "4 agents have asked one another already" in results[-1]


async def test_an_answer_outlives_the_house() -> None:
    store = a_store()
    agents = (an_agent(asks=("cook",)), an_agent("cook"))
    main = PlayedChannel(asks(wait=False), words("I have asked."), words("Soup!"))
    async with a_system() as system:
        channels = {"main": main, "cook": PlayedChannel([1000.0])}
        small = await a_house(store, **channels).open(system, *agents)
        await small.ask(user("Dinner?"))
        await trio.sleep(5)
        await small.house.close(0)
    async with a_system() as system:
        channels = {"main": PlayedChannel(words("Soup!")), "cook": PlayedChannel(words("Soup."))}
        again = await a_house(store, **channels).open(system, *agents)
        await trio.sleep(1000)
        assert await again.house.agenda.list() == []
        kept = await again.said()
        assert kept[-1] == said("Soup!")
        assert "Soup." in str(kept[-2]), "what the crash had cut off was asked again"


async def test_an_agent_reminds_itself_and_may_forget_it() -> None:
    main = PlayedChannel(
        uses("remind", text="Feed the cat.", in_seconds=100),
        words("I will."),
        uses("reminders"),
        words("One."),
    )
    async with a_system() as system:
        small = await a_house(main=main).open(system, an_agent(reminds=True))
        assert await small.ask(user("Remember the cat")) == "I will."
        [errand] = await small.house.agenda.list()
        assert errand.due == 100
        await small.ask(user("What is there?"))
        listed = [e for e in await small.said() if isinstance(e, ToolEntry)][-1]
        assert msgspec.json.decode(str(listed.content)) == [
            {"id": errand.id, "due": "1970-01-01 00:01:40Z", "text": "Feed the cat."}
        ]
        main.plays(uses("forget_reminder", id_=errand.id), words("Gone."))
        await small.ask(user("Never mind"))
        assert await small.house.agenda.list() == []
