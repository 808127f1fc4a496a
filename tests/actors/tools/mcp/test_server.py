"""A server's tools are there while it is, its calls have bounds, and it is started again for ever."""

import math

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.tools.mcp.serving import open_servers
from greenroom.actors.tools.mcp.standing import OFFERED_FOR_S, WAITED_FOR_S
from tests.actors.conftest import a_system
from tests.actors.tools.mcp.conftest import LOST, PlayedPeer, Stage, call, listed, played, running

IN_VIRTUAL_TIME = True


def names(servers: object, name: str = "s") -> list[str]:
    return [tool.name for tool in servers.hosts[name].tools()]  # type: ignore[attr-defined]


async def test_a_servers_tools_are_offered_under_its_name_and_called_with_their_key() -> None:
    async with running(played(call_seconds=7), connection=Stage(PlayedPeer()).connect) as servers:
        [tool] = servers.hosts["s"].tools()
        assert (tool.name, tool.description, tool.parameters) == (
            "s_look",
            "To look.",
            b'{"type":"object"}',
        )
        assert tool.seconds == 7
        assert await call(servers.hosts["s"], "s_look", a=1) == "look {'a': 1} t1.c1"
        assert servers.status()[0].is_up


async def test_two_servers_cannot_have_one_name() -> None:
    async with a_system() as system:
        with pytest.raises(ValueError, match="named 's'"):
            await open_servers(system, [played(), played()], Stage(PlayedPeer()).connect)


async def test_what_a_server_has_new_is_offered_but_not_asked_for_more_often_than_is_good() -> None:
    peer = PlayedPeer()
    async with running(played(), connection=Stage(peer).connect) as servers:
        peer.has = listed("look", "learn")
        peer.news()
        await wait_all_tasks_blocked()
        assert names(servers) == ["s_look", "s_learn"]
        for _ in range(1000):
            peer.news()
            await trio.sleep(0.01)
        assert peer.lists <= 2 + 10 / 0.5


async def test_a_server_that_says_nothing_is_looked_at_once_a_minute() -> None:
    peer = PlayedPeer()
    async with running(played(), connection=Stage(peer).connect) as servers:
        peer.has = listed("other")
        await trio.sleep(61)
        assert names(servers) == ["s_other"]
        await trio.sleep(600)
        assert 10 <= peer.lists <= 12


async def test_one_that_does_not_answer_a_look_is_lost_unless_it_is_at_work(
    trouble: list[str],
) -> None:
    peer, next_one = PlayedPeer(), PlayedPeer()
    stage = Stage(peer, next_one)
    async with (
        running(played(call_seconds=300), connection=stage.connect) as servers,
        trio.open_nursery() as nursery,
    ):
        peer.answers_in = 200
        nursery.start_soon(call, servers.hosts["s"], "s_look")
        await trio.sleep(1)
        peer.lists_in = math.inf
        peer.news()
        await trio.sleep(190)
        assert len(stage.starts) == 1
        await trio.sleep(150)
        assert len(stage.starts) == 2
        assert next_one.lists >= 1
    assert trouble == LOST
    trouble.clear()


async def test_a_call_that_is_cut_off_lets_go_at_once_and_its_server_is_told() -> None:
    peer = PlayedPeer()
    peer.answers_in, peer.lets_go_in = 1000, 5
    async with running(played(call_seconds=3), connection=Stage(peer).connect) as servers:
        begun = trio.current_time()
        assert await call(servers.hosts["s"], "s_look") == "Error: too slow"
        assert trio.current_time() == begun + 3
        await wait_all_tasks_blocked()
        assert peer.cancelled == [begun + 3]


async def test_more_calls_than_are_allowed_wait_for_one_another() -> None:
    peer = PlayedPeer()
    peer.answers_in = 10
    settings = played(max_concurrent=4, call_seconds=1000)
    async with running(settings, connection=Stage(peer).connect) as servers:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(call, servers.hosts["s"], "s_look")
        assert peer.most_at_once == 4


async def test_the_end_of_a_server_fails_its_calls_and_its_tools_come_back(
    trouble: list[str],
) -> None:
    peer, next_one = PlayedPeer(), PlayedPeer()
    peer.answers_in = 1000
    next_one.has = listed("look", "learn")
    stage, told = Stage(peer, next_one), list[str]()
    async with running(played(), connection=stage.connect) as servers:

        async def one() -> None:
            told.append(await call(servers.hosts["s"], "s_look"))

        begun = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(one)
            await wait_all_tasks_blocked()
            peer.end()
        assert trio.current_time() == begun
        assert set(told) == {
            "Error: the MCP server 's' ended while it was at it (it ended); it may have done it or not"
        }
        assert names(servers) == ["s_look"]
        assert await call(servers.hosts["s"], "s_look") == "look {} t1.c1"
        assert trio.current_time() <= begun + 0.2
        assert names(servers) == ["s_look", "s_learn"]
        [status] = servers.status()
        assert (status.is_up, status.starts, status.trouble) == (True, 2, "it ended")
    assert trouble == LOST
    trouble.clear()


async def test_a_server_that_is_down_is_offered_for_a_while_and_its_calls_wait_a_little(
    trouble: list[str],
) -> None:
    peer = PlayedPeer()
    async with running(
        played(), connection=Stage(peer, OSError("no such file")).connect
    ) as servers:
        peer.end()
        await wait_all_tasks_blocked()
        begun = trio.current_time()
        told = await call(servers.hosts["s"], "s_look")
        assert trio.current_time() == begun + WAITED_FOR_S
        assert told == ("Error: the MCP server 's' is down; it is being started again, try later")
        assert names(servers) == ["s_look"]
        await trio.sleep(OFFERED_FOR_S)
        assert names(servers) == []
        assert servers.status()[0].tools == ()
    trouble.clear()


async def test_a_server_that_never_starts_is_tried_for_ever_ever_more_rarely(
    trouble: list[str],
) -> None:
    stage = Stage(OSError("no such file"))
    async with running(played(), connection=stage.connect) as servers:
        await trio.sleep(20)
        assert 5 <= len(stage.starts) <= 9
        await trio.sleep(14_400)
        lately = [at for at in stage.starts if at > 1000]
        assert 13_400 / 31 <= len(lately) <= 13_400 / 20
        assert names(servers) == []
        assert not servers.status()[0].is_up
        assert {True, False} == set(stage.plain)
        assert stage.plain[:4] == [False, True, False, True]
    trouble.clear()


async def test_a_start_has_its_limit_the_listing_of_tools_included(trouble: list[str]) -> None:
    slow = PlayedPeer()
    slow.lists_in = math.inf
    for hangs in (1e6, slow):
        stage = Stage(hangs, PlayedPeer())
        begun = trio.current_time()
        async with running(played(start_seconds=9), connection=stage.connect) as servers:
            assert trio.current_time() == begun + 9
            assert servers.status()[0].trouble == "it was not up after 9 s"
            await trio.sleep(1)
            assert names(servers) == ["s_look"]
        assert trouble == LOST
        trouble.clear()


async def test_only_what_is_allowed_and_not_denied_is_offered() -> None:
    peer = PlayedPeer()
    peer.has = listed("read_file", "read_link", "write_file")
    settings = played(prefix="", allow=("read_*",), deny=("*_link",))
    async with running(settings, connection=Stage(peer).connect) as servers:
        assert names(servers) == ["read_file"]


async def test_closing_ends_a_server_in_mid_call_and_none_is_started_any_more() -> None:
    peer = PlayedPeer()
    peer.answers_in = 1000
    stage, told = Stage(peer), list[str]()

    async with a_system() as system, trio.open_nursery() as nursery:
        servers = await open_servers(system, [played()], stage.connect)
        await servers.settled()

        async def one() -> None:
            told.append(await call(servers.hosts["s"], "s_look"))

        nursery.start_soon(one)
        await wait_all_tasks_blocked()
        await servers.close()
        await trio.sleep(100)
        assert len(stage.starts) == 1
        assert len(told) == 1
        assert "ended while it was at it" in told[0]
