"""Rules of an answer: whole or streamed it says the same, and a session remembers what is its own."""

import msgspec
import pytest
import trio

from greenroom.actors.channels.channel import ReasoningDelta, TextDelta
from greenroom.actors.settings import SessionLimits
from tests.conftest import STOP, PlayedChannel
from tests.http.conftest import GATEWAY, Answer, Site, chat, house_settings, text_of

KEY = "x-openclaw-session-key"
LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def said(answer: Answer) -> str:
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


async def test_a_whole_answer_is_one_completion_object() -> None:
    async with Site() as site:
        answer = await site.post(chat("[say Hello there]", model="openclaw:main"))
    body = answer.json()
    assert answer.status == 200
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert list(body) == ["id", "object", "created", "model", "choices", "usage"]
    assert body["id"].startswith("chatcmpl-")
    assert (body["object"], body["model"]) == ("chat.completion", "openclaw:main")
    (choice,) = body["choices"]
    assert choice["message"]["content"] == "Hello there"
    assert choice["finish_reason"] == "stop"
    assert body["usage"]["completion_tokens"] == 2


async def test_a_streamed_answer_says_what_the_whole_one_says() -> None:
    async with Site() as site:
        whole = await site.post(chat("tell me"))
        streamed = await site.post(chat("tell me", stream=True))
    assert text_of(streamed.chunks()) == said(whole)
    assert streamed.headers["cache-control"] == "no-cache"
    assert streamed.headers["x-accel-buffering"] == "no"
    assert "content-length" not in streamed.headers


@pytest.mark.parametrize("stream", [False, True])
async def test_the_answer_tells_agent_session_and_model_in_its_headers(stream: bool) -> None:
    async with Site() as site:
        answer = await site.post(
            chat(model="agent:beta", stream=stream), headers={KEY: "Mine 100% ü"}
        )
    assert answer.headers["x-greenroom-agent"] == "beta"
    assert answer.headers["x-greenroom-session-key"] == "Mine 100%25 %C3%BC"
    assert answer.headers["x-greenroom-model"] == "spare/org/m"


async def test_a_model_in_any_script_is_echoed_as_it_was_sent() -> None:
    async with Site() as site:
        answer = await site.post(chat(model="scripted/モデル\n😀"))
    assert answer.json()["model"] == "scripted/モデル\n😀"
    assert answer.headers["x-greenroom-model"].startswith("scripted/%E3%83%A2")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_session_remembers(stream: bool) -> None:
    async with Site() as site:
        for ordinal in ("1st", "2nd", "3rd"):
            answer = await site.post(chat("Hi", stream=stream), headers={KEY: "k"})
            text = text_of(answer.chunks()) if stream else said(answer)
            assert f"your {ordinal} message" in text


async def test_sessions_know_nothing_of_each_other() -> None:
    async with Site() as site:
        await site.post(chat("Hi"), headers={KEY: "a"})
        assert "1st" in said(await site.post(chat("Hi"), headers={KEY: "b"}))
        assert "1st" in said(await site.post(chat("Hi", model="agent:beta"), headers={KEY: "a"}))
        assert "1st" in said(await site.post(chat("Hi", user="ann")))
        assert "2nd" in said(await site.post(chat("Hi", user="ann")))
        assert "1st" in said(await site.post(chat("Hi", user="Ann")))


async def test_a_call_without_a_key_leaves_nothing_behind() -> None:
    async with Site() as site:
        for _ in range(3):
            assert "1st" in said(await site.post(chat("Hi")))
            await site.post(chat("Hi", stream=True))
            await site.post(chat("[fail]"))
        await trio.testing.wait_all_tasks_blocked()
        assert [agent.live_sessions for agent in await site.house.status()] == [0, 0]


async def test_a_history_that_is_sent_again_is_not_doubled() -> None:
    async with Site() as site:
        first = said(await site.post(chat("Hi"), headers={KEY: "k"}))
        messages = [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": first},
            {"role": "user", "content": "And?"},
        ]
        answer = await site.post({"model": "openclaw", "messages": messages}, headers={KEY: "k"})
    assert "2nd" in said(answer)


async def test_a_tool_call_and_its_result_go_round() -> None:
    async with Site() as site:
        called = await site.post(chat('look at {"x":1}', tools=[LOOK]), headers={KEY: "k"})
        (choice,) = called.json()["choices"]
        assert choice["finish_reason"] == "tool_calls"
        (call,) = choice["message"]["tool_calls"]
        assert call["function"] == {"name": "look", "arguments": '{"x":1}'}
        result = {"role": "tool", "tool_call_id": call["id"], "content": "a door"}
        answer = await site.post(
            {"model": "openclaw", "messages": [result], "tools": [LOOK]}, headers={KEY: "k"}
        )
    assert said(answer) == "look said: a door"


async def test_eight_requests_at_once_on_a_new_user_all_get_their_turn_in_order(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async with Site() as site:
        calls = [site.call(chat("[slow 0.1] Hi", user="new")) for _ in range(8)]
        for call in calls:
            nursery.start_soon(call.run)
            await trio.testing.wait_all_tasks_blocked()
        texts = [said(await call.answer()) for call in calls]
    places = [text.split("your ")[1].split(" ")[0] for text in texts]
    assert places == ["1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_session_that_is_too_busy_says_so_as_a_status(
    stream: bool, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async with Site(settings=house_settings(SessionLimits(waiting_turns=1))) as site:
        for _ in range(2):
            nursery.start_soon(site.call(chat("[wait 5]"), headers={KEY: "k"}).run)
            await trio.testing.wait_all_tasks_blocked()
        answer = await site.post(chat(stream=stream), headers={KEY: "k"})
    assert (answer.status, answer.error()["code"]) == (429, "session_queue_full")
    assert answer.headers["retry-after"] == "1"


async def test_an_agent_with_too_many_sessions_says_so_as_a_status() -> None:
    async with Site(settings=house_settings(SessionLimits(live_sessions=1))) as site:
        await site.post(chat(), headers={KEY: "a"})
        answer = await site.post(chat(), headers={KEY: "b"})
        assert (answer.status, answer.error()["code"]) == (503, "too_many_sessions")
        assert (await site.post(chat(), headers={KEY: "a"})).status == 200


async def test_what_the_model_thinks_is_told_beside_its_answer() -> None:
    channel = PlayedChannel([(ReasoningDelta("h"), ReasoningDelta("m"), TextDelta("Yes")), STOP])
    async with Site(channel) as site:
        whole = await site.post(chat())
        chunks = (await site.post(chat(stream=True))).chunks()
    assert whole.json()["choices"][0]["message"]["reasoning_content"] == "hm"
    assert [c["choices"][0]["delta"].get("reasoning_content") for c in chunks[1:3]] == ["h", "m"]


async def test_usage_is_told_in_a_stream_where_it_is_asked_for() -> None:
    async with Site() as site:
        options = {"include_usage": True}
        asked = (await site.post(chat("[say a b]", stream=True, stream_options=options))).chunks()
        unasked = (await site.post(chat("[say a b]", stream=True))).chunks()
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"]["completion_tokens"] == 2
    assert all(chunk["usage"] is None for chunk in asked[:-1])
    assert all("usage" not in chunk for chunk in unasked)


async def test_what_the_request_says_reaches_the_model() -> None:
    channel = PlayedChannel()
    async with Site(channel) as site:
        await site.post(chat("Hi", model="spare/x", temperature=0.5, top_k=4, tools=[LOOK], seed=1))
    (prompt,) = channel.prompts
    assert (prompt.model, prompt.sampling.temperature, prompt.sampling.seed) == ("x", 0.5, 1)
    assert prompt.extra == {"top_k": b"4"}
    assert [tool.name for tool in prompt.tools] == ["look"]


async def test_a_session_from_a_user_can_be_switched_off() -> None:
    gateway = msgspec.structs.replace(GATEWAY, session_from_user=False)
    async with Site(gateway=gateway) as site:
        for _ in range(2):
            assert "1st" in said(await site.post(chat("Hi", user="ann")))
