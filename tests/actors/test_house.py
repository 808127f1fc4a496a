"""The house has one door: agents and models by name, the same sessions for whoever enters."""

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.agent import AgentStatus
from greenroom.actors.channels.channel import Channel, FinishReason
from greenroom.actors.channels.http_channel import HttpChannel
from greenroom.actors.channels.scripted import ScriptedChannel
from greenroom.actors.entries import SystemEntry
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.house import House, connect_channel, new_id
from greenroom.actors.selection import Selection, Wish
from greenroom.actors.settings import (
    AgentSettings,
    HouseSettings,
    ModelSettings,
    ProviderSettings,
    SessionLimits,
)
from greenroom.actors.turn import TurnEnded, TurnEvent, TurnRequest, TurnStarted
from greenroom.runtime import ActorStopped, DirectoryFull, StartFailed, System
from tests.actors.conftest import SLOW, PlayedChannel, a_system, said, user, words
from tests.stores import a_store

LOCAL = ProviderSettings("local", "scripted", models=(ModelSettings("m-1"), ModelSettings("m-2")))
OTHER = ProviderSettings("other", "scripted", models=(ModelSettings("m-2"),))
MAIN = AgentSettings("main", "local/m-1", instructions="Be kind.")
BETA = AgentSettings("beta", "other/m-2", name="Beta")
SETTINGS = HouseSettings(
    agents=(MAIN, BETA),
    default_agent="beta",
    providers=(LOCAL, OTHER),
    sessions=SessionLimits(9, 2),
)


class Channels:
    """One played channel a provider."""

    def __init__(self) -> None:
        self.by_provider: dict[str, PlayedChannel] = {}

    def connect(self, provider: ProviderSettings) -> Channel:
        channel = PlayedChannel(words(f"{provider.id} says yes."))
        self.by_provider[provider.id] = channel
        return channel


async def open_house(system: System) -> tuple[House, Channels]:
    channels = Channels()
    return await House.open(system, SETTINGS, a_store(), channels.connect), channels


async def ask(
    house: House, agent_id: str, key: str, text: str, model: str | None = None
) -> list[TurnEvent]:
    wish = Wish("openclaw", agent=agent_id, override=model)
    route = house.select(wish).route
    turn = TurnRequest(new_id(), route, (user(text),))
    selection = Selection(agent_id, key, ephemeral=False, route=route)
    async with house.submit(selection, turn) as events:
        return [event async for event in events]


async def test_a_turn_goes_to_the_agents_session_and_the_routes_provider() -> None:
    async with a_system() as system:
        house, channels = await open_house(system)
        await ask(house, "main", "k", "a")
        await ask(house, "beta", "k", "b")
        await ask(house, "main", "k", "c", model="other/x")
        one, two, three = (
            *channels.by_provider["local"].prompts,
            *channels.by_provider["other"].prompts,
        )
    assert (one.model, two.model, three.model) == ("m-1", "m-2", "x")
    assert one.entries == (SystemEntry("Be kind."), user("a"))
    assert two.entries == (user("b"),), "sessions of two agents have nothing in common"
    assert three.entries == (SystemEntry("Be kind."), user("a"), said("local says yes."), user("c"))


async def test_agents_are_found_whatever_the_case() -> None:
    async with a_system() as system:
        house, _ = await open_house(system)
        assert (house.default_agent, house.agent_ids) == ("beta", ("main", "beta"))
        named = [house.select(Wish("openclaw", agent=name)).agent for name in ("Main", "MAIN")]
        assert named == ["main", "main"]
        assert house.select(Wish("openclaw")).agent == "beta"


async def test_an_unknown_agent_is_refused_and_the_known_are_listed() -> None:
    async with a_system() as system:
        house, _ = await open_house(system)
        with pytest.raises(TurnFailed) as caught:
            house.select(Wish("openclaw", agent="Gamma"))
    failure = caught.value.failure
    assert (failure.kind, failure.code) == (FailureKind.INVALID_REQUEST, "agent_not_found")
    assert failure.message == "Unknown agent 'Gamma'. Known agents: main, beta."


async def test_its_router_knows_its_providers_models() -> None:
    async with a_system() as system:
        house, _ = await open_house(system)
        assert [model.id for model in house.models] == [
            "local/m-1", "local/m-2", "other/m-2",
        ]  # fmt: skip


async def test_its_status_is_its_agents() -> None:
    async with a_system() as system:
        house, _ = await open_house(system)
        await ask(house, "beta", "k1", "a")
        await ask(house, "beta", "k2", "a")
        assert await house.status() == (
            AgentStatus("main", "local/m-1", 0),
            AgentStatus("beta", "other/m-2", 2),
        )


async def test_the_bound_on_sessions_is_each_agents_own() -> None:
    async with a_system() as system:
        house, _ = await open_house(system)
        for key in ("k1", "k2"):
            await ask(house, "beta", key, "a")
        with pytest.raises(DirectoryFull):
            await ask(house, "beta", "k3", "a")
        assert await ask(house, "main", "k3", "a")


async def test_stateless_turns_have_a_bound_of_their_own() -> None:
    async with a_system() as system:
        house, _ = await open_house(system)
        for key in ("k1", "k2"):
            await ask(house, "beta", key, "a")
        selection = house.select(Wish("openclaw:beta"))
        turn = TurnRequest(new_id(), selection.route, (user("a"),), ephemeral=True)
        async with house.submit(selection, turn) as events:
            assert [event async for event in events]


async def test_its_channels_are_closed_once_at_its_end() -> None:
    async with a_system() as system:
        house, channels = await open_house(system)
        await ask(house, "main", "k", "a")
    assert [channel.closed for channel in channels.by_provider.values()] == [1, 1]


async def test_runs_end_before_the_channels_that_they_call_are_closed(
    autojump_clock: MockClock,
) -> None:
    channel = PlayedChannel(SLOW)
    async with a_system() as system:
        house = await House.open(system, SETTINGS, a_store(), lambda _: channel)
        selection = house.select(Wish("openclaw:main"))
        turn = TurnRequest(new_id(), selection.route, (user("a"),))
        async with house.submit(selection, turn) as events:
            assert isinstance(await anext(events), TurnStarted)
            began = trio.current_time()
            await house.close(1)
            assert trio.current_time() == began + 1
            with pytest.raises(ActorStopped):
                _ = [event async for event in events]
    assert (channel.closed, channel.under_way_at_close) == (2, 0)


async def test_a_provider_that_cannot_start_keeps_the_house_shut(trouble: list[str]) -> None:
    channels = Channels()

    def connect_one(provider: ProviderSettings) -> Channel:
        if provider is OTHER:
            raise ZeroDivisionError
        return channels.connect(provider)

    async with a_system() as system:
        with pytest.raises(StartFailed):
            await House.open(system, SETTINGS, a_store(), connect_one)
    assert channels.by_provider["local"].closed == 1
    trouble.remove("actor.crashed")


async def test_a_key_may_be_any_text() -> None:
    for key in ("", "a/b", "\u00fc \n", "provider:local"):
        async with a_system() as system:
            house, channels = await open_house(system)
            await ask(house, "main", key, "one")
            await ask(house, "main", key, "two")
            assert len(channels.by_provider["local"].prompts[-1].entries) == 4


async def test_the_embedded_model_remembers_what_was_said(autojump_clock: MockClock) -> None:
    async with a_system() as system:
        house = await House.open(system, SETTINGS, a_store())
        await ask(house, "main", "k", "Hello [slow 1]")
        events = await ask(house, "main", "k", "Again [say a b c d][slow 1]")
        assert trio.current_time() == 12 + 3
        assert isinstance(events[-1], TurnEnded)
        assert events[-1].reason is FinishReason.STOP
        assert len(events) == 6


def test_a_channel_is_made_as_the_settings_ask() -> None:
    assert isinstance(connect_channel(LOCAL), ScriptedChannel)
    http = ProviderSettings("openai", "openai-completions", base_url="https://api.example/v1")
    assert isinstance(connect_channel(http), HttpChannel)


def test_ids_are_twenty_four_hexadecimal_digits_and_never_the_same() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(id_) == 24 and int(id_, 16) >= 0 for id_ in ids)
