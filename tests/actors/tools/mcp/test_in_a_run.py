"""A run uses a server's tools like any others, and goes on whatever becomes of the server."""

import os
import signal

import trio

from greenroom.actors.entries import ToolEntry
from greenroom.actors.kit import Kit
from greenroom.actors.tools.mcp.serving import open_servers
from greenroom.actors.tools.toolbox import ToolPolicy
from tests.actors.conftest import PlayedChannel, a_system, set_stage, user, words
from tests.actors.tools.conftest import calling, transcript_of
from tests.actors.tools.mcp.conftest import LOST, call, until
from tests.actors.tools.mcp.test_stdio import rough
from tests.stores import a_store


async def test_the_death_of_a_server_fails_calls_and_no_run(trouble: list[str]) -> None:
    first = calling(("c1", "r_pid"), ("c2", "r_hang"), ("c3", "r_hang"), ("c4", "r_env"))
    channel = PlayedChannel(first, calling(("c5", "r_pid")), words("Done."))
    store = a_store()
    async with a_system() as system:
        servers = await open_servers(system, [rough()])
        await servers.settled()
        host = servers.hosts["r"]
        policy = ToolPolicy(allow=("r_*",), deny=("r_env",))
        stage = await set_stage(system, channel, store=store, kit=Kit((host,)), policy=policy)
        pid = int(await call(host, "r_pid"))

        async def kill() -> None:
            await trio.testing.wait_all_tasks_blocked(0.1)
            os.kill(pid, signal.SIGKILL)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill)
            outcome = await stage.ask("k", user("Go."))
        await until(lambda: servers.status()[0].starts == 2)
        await servers.close()
    assert outcome.failure is None
    assert outcome.text.endswith("Done.")
    results = {e.call_id: e.content for e in await transcript_of(store) if isinstance(e, ToolEntry)}
    assert results["c1"] == str(pid)
    for hung in ("c2", "c3"):
        assert str(results[hung]).startswith("Error: the MCP server 'r' ended while it was at it")
    assert results["c4"] == "Error: there is no tool named 'r_env'."
    assert str(results["c5"]).isdigit()
    assert results["c5"] != str(pid)
    assert "r_env" not in {tool.name for tool in channel.prompts[0].tools}
    assert trouble == LOST
    trouble.clear()
