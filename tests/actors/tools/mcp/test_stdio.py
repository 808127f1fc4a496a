"""Servers that are child processes: real ones, made by hand and with the official SDK."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import mcp.client.stdio
import pytest
import trio

from greenroom.actors.settings import Secret
from greenroom.actors.tools.mcp.serving import McpServers
from greenroom.actors.tools.mcp.settings import McpServer, Stdio
from tests.actors.tools.mcp.conftest import LOST, call, running, until

HERE = Path(__file__).parent / "servers"


def rough(kind: str = "well", **settings: object) -> McpServer:
    stdio = Stdio(
        sys.executable, ("-S", "-E", str(HERE / "rough.py"), kind), {"A_SECRET": Secret("of mine")}
    )
    return McpServer("r", stdio, **settings)  # type: ignore[arg-type]


OFFICIAL = McpServer("o", Stdio(sys.executable, (str(HERE / "official.py"),)))


async def pid_of(servers: McpServers, name: str) -> int:
    return int(await call(servers.hosts[name], f"{name}_pid"))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def has_tool(servers: McpServers, name: str) -> bool:
    return name in {tool.name for host in servers.hosts.values() for tool in host.tools()}


# What it has, and what its calls bring


async def test_an_older_server_is_greeted_in_the_older_way_and_all_its_pages_are_read() -> None:
    async with running(rough()) as servers:
        tools = {tool.name: tool for tool in servers.hosts["r"].tools()}
        assert len(tools) == 13
        assert tools["r_echo"].description == "To echo."
        assert b'"text":{"type":"string"}' in tools["r_slow"].parameters.replace(b" ", b"")
        assert await call(servers.hosts["r"], "r_echo", text="hé") == "hé"


async def test_what_is_no_text_is_described_and_an_error_is_one() -> None:
    async with running(rough()) as servers:
        host = servers.hosts["r"]
        assert await call(host, "r_odd") == '{"cats":[1,2]}'
        assert await call(host, "r_fail") == "Error: there is no such cat"
        assert (await call(host, "r_rich")).splitlines() == [
            "Look:",
            "[image: image/png, 3 bytes]",
            "[audio: audio/wav, 4 bytes]",
            "[resource: notes, file:///notes.txt]",
            "[resource: file:///a.txt]",
            "a text",
            "[resource: file:///b.bin, of no named type, 3 bytes]",
        ]


async def test_a_child_has_its_own_variables_and_none_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OUR_SECRET", "ours")
    async with running(rough()) as servers:
        assert await call(servers.hosts["r"], "r_env", text="A_SECRET") == "of mine"
        assert await call(servers.hosts["r"], "r_env", text="OUR_SECRET") == "None"


async def test_what_it_prints_beside_its_answers_does_no_harm() -> None:
    async with running(rough()) as servers:
        assert await call(servers.hosts["r"], "r_noisy", text="a") == "a"
        assert await call(servers.hosts["r"], "r_echo", text="b") == "b"


async def test_fifty_calls_at_once_each_have_their_own_answer() -> None:
    async with running(rough()) as servers:
        told: dict[int, str] = {}

        async def one(number: int) -> None:
            told[number] = await call(servers.hosts["r"], "r_echo", text=str(number))

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(one, number)
        assert told == {number: str(number) for number in range(50)}


async def test_a_new_tool_is_there_once_the_server_has_said_so() -> None:
    async with running(rough()) as servers:
        assert await call(servers.hosts["r"], "r_add", text="new") == "added"
        await until(lambda: has_tool(servers, "r_new"))


async def test_a_server_that_says_without_end_that_its_tools_have_changed_is_of_use() -> None:
    async with running(rough("flood")) as servers:
        for number in range(20):
            assert await call(servers.hosts["r"], "r_echo", text=str(number)) == str(number)


# What goes wrong


async def test_a_killed_server_fails_its_calls_as_results_and_comes_back(
    trouble: list[str],
) -> None:
    async with running(rough()) as servers:
        pid, told = await pid_of(servers, "r"), list[str]()

        async def hang() -> None:
            told.append(await call(servers.hosts["r"], "r_hang"))

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(hang)
                await trio.testing.wait_all_tasks_blocked(0.05)
                os.kill(pid, signal.SIGKILL)
            assert await pid_of(servers, "r") != pid
        [text] = set(told)
        assert text.startswith("Error: the MCP server 'r' ended while it was at it")
        assert servers.status()[0].starts == 2
    assert trouble == LOST
    trouble.clear()


async def test_a_server_that_ends_in_a_call_is_started_for_the_next(trouble: list[str]) -> None:
    async with running(rough()) as servers:
        assert "ended while it was at it" in await call(servers.hosts["r"], "r_die")
        assert await call(servers.hosts["r"], "r_echo", text="a") == "a"
    assert trouble == LOST
    trouble.clear()


async def test_a_call_that_hangs_is_cut_off_at_its_limit_and_the_server_hears_of_it() -> None:
    async with running(rough(call_seconds=0.3)) as servers:
        host = servers.hosts["r"]
        assert await call(host, "r_hang") == "Error: too slow"
        assert await call(host, "r_echo", text="a") == "a"
        [hung] = json.loads(await call(host, "r_hung"))
        assert json.loads(await call(host, "r_cancelled")) == [hung]


async def test_a_server_that_takes_nothing_else_for_a_first_request_gets_its_handshake(
    trouble: list[str],
) -> None:
    async with running(rough("strict")) as servers:
        assert "server/discover is no handshake" in (servers.status()[0].trouble or "")
        await until(lambda: has_tool(servers, "r_echo"))
        assert await call(servers.hosts["r"], "r_echo", text="a") == "a"
    assert trouble == LOST
    trouble.clear()


async def test_a_server_that_never_answers_is_given_up_at_its_limit_and_leaves_no_process(
    trouble: list[str],
) -> None:
    with trio.fail_after(10):
        async with running(rough("mute", start_seconds=0.3)) as servers:
            assert servers.status()[0].trouble == "it was not up after 0.3 s"
            assert servers.hosts["r"].tools() == ()
    assert set(trouble) <= set(LOST)
    trouble.clear()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (rough("broken"), "I cannot find my configuration."),
        (McpServer("r", Stdio("/nowhere/at/all")), "FileNotFoundError"),
        (McpServer("r", Stdio(sys.executable, cwd="/nowhere")), "FileNotFoundError"),
    ],
)
async def test_why_a_server_did_not_start_is_said(
    settings: McpServer, why: str, trouble: list[str]
) -> None:
    async with running(settings) as servers:
        assert why in (servers.status()[0].trouble or "")
    assert set(trouble) <= set(LOST)
    trouble.clear()


async def test_closing_leaves_no_process_in_mid_call() -> None:
    async with running(rough()) as servers, trio.open_nursery() as nursery:
        pid = await pid_of(servers, "r")
        nursery.start_soon(call, servers.hosts["r"], "r_hang")
        await trio.testing.wait_all_tasks_blocked(0.05)
        await servers.close()
        assert not is_alive(pid)


@pytest.fixture
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the SDK wait less long for processes that do not end."""
    for name in ("PROCESS_TERMINATION_TIMEOUT", "FORCE_KILL_TIMEOUT", "_WRITER_FLUSH_TIMEOUT"):
        monkeypatch.setattr(mcp.client.stdio, name, 0.1)


@pytest.mark.usefixtures("_in_a_hurry")
async def test_a_server_that_does_not_end_by_itself_is_killed() -> None:
    async with running(rough("stubborn")) as servers:
        pid = await pid_of(servers, "r")
        with trio.fail_after(5):
            await servers.close()
        assert not is_alive(pid)


@pytest.mark.usefixtures("_in_a_hurry")
async def test_a_server_that_reads_nothing_holds_nobody() -> None:
    async with running(rough("deaf", call_seconds=0.3)) as servers:
        host = servers.hosts["r"]
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(partial(call, host, "r_echo", text="a" * 100_000))
            assert await call(host, "r_echo", text="a") == "Error: too slow"
            await servers.close()


ORPHAN = """
import sys, trio
from tests.actors.tools.mcp.conftest import running
from tests.actors.tools.mcp.test_stdio import pid_of, rough

async def main():
    async with running(rough()) as servers:
        print(await pid_of(servers, "r"), flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


async def test_a_child_ends_with_a_parent_that_is_killed() -> None:
    root = Path(__file__).parents[4]
    run = partial(trio.run_process, [sys.executable, "-c", ORPHAN], cwd=root, check=False)
    async with trio.open_nursery() as nursery:
        parent: trio.Process = await nursery.start(partial(run, stdout=subprocess.PIPE))
        assert parent.stdout is not None
        pid = int(await parent.stdout.receive_some(100))
        parent.kill()
    await until(lambda: not is_alive(pid))


# One made with the official SDK


async def test_the_official_servers_tools_work_change_and_come_back(trouble: list[str]) -> None:
    async with running(OFFICIAL) as servers:
        host = servers.hosts["o"]
        assert await call(host, "o_echo", text="hé") == "hé"
        assert (await call(host, "o_count", text="aab")).split() == [
            "{", '"a":', "2,", '"b":', "1", "}"
        ]  # fmt: skip
        assert await call(host, "o_fail") == "Error: Error executing tool fail"
        assert "text" in await call(host, "o_echo", wrong=1)
        assert await call(host, "o_learn", name="new") == "learned"
        await until(lambda: has_tool(servers, "o_new"))
        assert await call(host, "o_new") == "new"
        pid, told = await pid_of(servers, "o"), list[str]()

        async def hang() -> None:
            told.append(await call(host, "o_hang"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang)
            await trio.testing.wait_all_tasks_blocked(0.05)
            os.kill(pid, signal.SIGKILL)
        assert "ended while it was at it" in told[0]
        await until(lambda: servers.status()[0].starts == 2)
        assert await pid_of(servers, "o") != pid
    assert trouble == LOST
    trouble.clear()
