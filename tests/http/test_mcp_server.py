"""The agents are tools of an MCP server, for whoever has the gateway's secret."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
import trio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import TextDelta
from tests.conftest import PlayedChannel
from tests.http.conftest import Answer, Site
from tests.http.test_process import Gateway, environment

SUPPORTED = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]


async def send(site: Site, method: str, params: object = None, **headers: str) -> Answer:
    message = {"jsonrpc": "2.0", "id": 7, "method": method}
    body = message if params is None else message | {"params": params}
    return await site.post(body, path="/mcp", headers=headers)


async def result(site: Site, method: str, params: object = None) -> Any:
    answer = await send(site, method, params)
    assert answer.status == 200
    found = answer.json()
    assert (found["jsonrpc"], found["id"], list(found)) == ("2.0", 7, ["jsonrpc", "id", "result"])
    return found["result"]


async def refusal(site: Site, method: str, params: object = None) -> Any:
    found = (await send(site, method, params)).json()
    assert list(found) == ["jsonrpc", "id", "error"]
    return found["error"]


async def ask(site: Site, agent: str = "main", **arguments: object) -> Any:
    return await result(site, "tools/call", {"name": f"ask_{agent}", "arguments": arguments})


def said(found: Any) -> str:
    [content] = found["content"]
    assert content["type"] == "text"
    assert not found["isError"], content
    text: str = content["text"]
    return text


# Its methods


@pytest.mark.parametrize("version", SUPPORTED)
async def test_a_client_is_greeted_in_its_own_version(version: str) -> None:
    async with Site() as site:
        greeting = await result(site, "initialize", {"protocolVersion": version, "clientInfo": {}})
    assert greeting["protocolVersion"] == version
    assert greeting["capabilities"] == {"tools": {}}
    assert greeting["serverInfo"]["name"] == "greenroom"


async def test_a_client_of_another_version_is_told_ours() -> None:
    async with Site() as site:
        greeting = await result(site, "initialize", {"protocolVersion": "1999-01-01"})
        assert greeting["protocolVersion"] == SUPPORTED[0]
        answer = await send(site, "tools/list", **{"mcp-protocol-version": "2026-07-28"})
    assert answer.status == 400
    assert answer.json()["error"] == {
        "code": -32022,
        "message": "Unsupported protocol version",
        "data": {"supported": SUPPORTED, "requested": "2026-07-28"},
    }


async def test_there_is_a_tool_for_each_agent() -> None:
    async with Site() as site:
        assert await result(site, "ping") == {}
        tools = (await result(site, "tools/list"))["tools"]
    assert [tool["name"] for tool in tools] == ["ask_main", "ask_beta"]
    assert tools[0]["inputSchema"]["required"] == ["message"]


async def test_an_agent_that_is_asked_answers_and_without_a_session_remembers_nothing() -> None:
    async with Site() as site:
        assert said(await ask(site, message="[say Yes.]")) == "Yes."
        for _ in range(2):
            assert "1st message" in said(await ask(site, message="Hi"))
        assert (await site.get("/v1/sessions")).json()["data"] == []


async def test_what_is_asked_in_one_session_is_one_conversation() -> None:
    async with Site() as site:
        assert "1st message" in said(await ask(site, message="Hi", session="s"))
        assert "2nd message" in said(await ask(site, message="Hi", session="s"))
        assert "1st message" in said(await ask(site, "beta", message="Hi", session="s"))
        [line, *_] = site.lines.requests()
    assert (line["agent"], line["session"], line["status"]) == ("main", "s", 200)
    assert line["prompt_tokens"] > 0


async def test_what_goes_wrong_in_a_turn_is_told_as_a_tools_failure() -> None:
    async with Site() as site:
        failed = await ask(site, message="[fail]")
        assert failed["isError"]
        assert "upstream" in failed["content"][0]["text"]
        bad = await ask(site, message="Hi", session="cron:x")
        assert bad["isError"]
        assert "reserved" in bad["content"][0]["text"]
        assert all(line["error"] for line in site.lines.requests())


@pytest.mark.parametrize("arguments", [{}, {"message": 1}, {"message": "a", "more": 1}])
async def test_arguments_that_do_not_fit_are_told_as_a_tools_failure(arguments: Any) -> None:
    async with Site() as site:
        wrong = await ask(site, **arguments)
    assert wrong["isError"]
    assert "do not fit" in wrong["content"][0]["text"]


async def test_what_is_not_there_is_refused() -> None:
    async with Site() as site:
        assert (await refusal(site, "resources/list"))["code"] == -32601
        for name in ("ask_nobody", "main", "ask_"):
            assert (await refusal(site, "tools/call", {"name": name}))["code"] == -32602
        wrong: list[Any] = [{}, [], None, {"name": 1}]
        for params in wrong:
            assert (await refusal(site, "tools/call", params))["code"] == -32602


# Its transport


async def test_it_is_for_callers_with_the_secret() -> None:
    async with Site() as site:
        for token in (None, "wrong"):
            answer = await site.post({}, path="/mcp", token=token)
            assert answer.status == 401
            assert answer.error()["code"] == "invalid_api_key"


async def test_a_notification_is_accepted_without_an_answer() -> None:
    async with Site() as site:
        messages: list[Any] = [
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {"jsonrpc": "2.0", "id": 1, "result": {}},
        ]
        for message in messages:
            answer = await site.post(message, path="/mcp")
            assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b"[" * 200 + b"]" * 200, -32700),
        (b"[]", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
    ],
)
async def test_what_is_no_message_is_refused(body: bytes, code: int) -> None:
    async with Site() as site:
        answer = await site.post(body, path="/mcp")
    assert answer.status == 400
    found = answer.json()
    assert (found["id"], found["error"]["code"]) == (None, code)


async def test_there_is_no_stream_from_here_and_no_session_to_end() -> None:
    async with Site() as site:
        for method in ("GET", "DELETE"):
            answer = await site.post(b"", method=method, path="/mcp")
            assert (answer.status, answer.headers["allow"]) == (405, "POST")


async def test_another_sites_page_is_kept_out() -> None:
    async with Site() as site:
        ours = {"host": "127.0.0.1:18789", "origin": "http://127.0.0.1:18789"}
        assert (await send(site, "ping", **ours)).status == 200
        for origin in ("http://evil.example", "null"):
            answer = await send(site, "ping", **(ours | {"origin": origin}))
            assert answer.status == 403
            assert answer.error()["code"] == "origin_not_allowed"


async def test_a_client_that_leaves_cancels_what_it_has_asked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    channel = PlayedChannel([(TextDelta("Wait"),), 1000.0])
    async with Site(channel) as site, trio.open_nursery() as nursery:
        params = {"name": "ask_main", "arguments": {"message": "Hi"}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        call = site.call(body, path="/mcp")
        nursery.start_soon(call.run)
        await wait_all_tasks_blocked()
        call.leave()
        await call.over.wait()
        with trio.fail_after(1):
            await channel.was_left.wait()


# The official SDK's client, against a real process


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    running = Gateway(folder, environment(folder / "home"))
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate(timeout=10)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_official_client_asks_an_agent(
    gateway: Gateway, mode: Literal["auto", "legacy"]
) -> None:
    headers = {"authorization": f"Bearer {gateway.token}"}
    async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
        transport = streamable_http_client(f"{gateway.url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            [tool] = (await client.list_tools()).tools
            session = f"of {mode}"
            told: list[str] = []
            for _ in range(2):
                found = await client.call_tool(tool.name, {"message": "Hi", "session": session})
                assert not found.is_error
                [content] = found.content
                assert isinstance(content, TextContent)
                told.append(content.text)
            wrong = await client.call_tool(tool.name, {"mesage": "Hi"})
    assert "1st message" in told[0]
    assert "2nd message" in told[1]
    assert wrong.is_error
