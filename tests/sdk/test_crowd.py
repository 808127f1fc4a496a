"""Many clients at once: first come, first served in one session, all together in many."""

import re

import pytest
import trio
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from tests.processes import until
from tests.sdk.conftest import (
    PATIENCE_S,
    SCRIPTED,
    THROUGH_UPSTREAM,
    Gateway,
    StartGateway,
    async_client_of,
)

pytestmark = pytest.mark.filterwarnings(
    # The SDK leaves generators to the loop's finalizer, of which trio alone tells.
    r"ignore:Async generator '(openai|httpx2|httpcore2)\.:ResourceWarning"
)

RACERS = 50
SESSIONS = 200

_REPLY = re.compile(
    r'You said: "from client (?P<client>\d+)" This is your (?P<nth>\d+)[a-z]{2} message in this session\.'
)


def read(answer: str) -> tuple[int, int]:
    """Return who asked and which message it was; the answer has to be one whole answer."""
    found = _REPLY.fullmatch(answer)
    assert found is not None, answer
    return int(found["client"]), int(found["nth"])


async def open_stream(
    client: AsyncOpenAI, text: str, *, model: str = SCRIPTED, user: str | None = None
) -> AsyncStream[ChatCompletionChunk]:
    """Return once the answer's head is there."""
    return await client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": text}],
        stream=True,
        extra_body={} if user is None else {"user": user},
    )


async def words(stream: AsyncStream[ChatCompletionChunk]) -> list[str]:
    said = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
    return [word for word in said if word]


async def first_word(stream: AsyncStream[ChatCompletionChunk]) -> str:
    while True:
        chunk = await anext(stream)
        if chunk.choices[0].delta.content:
            return chunk.choices[0].delta.content


async def test_racers_for_a_new_user_each_get_a_turn(start_gateway: StartGateway) -> None:
    own = start_gateway()
    answers: dict[int, str] = {}
    async with async_client_of(own) as client:

        async def race(number: int) -> None:
            text = f"from client {number}"
            if number % 2:
                answers[number] = "".join(
                    await words(await open_stream(client, text, user="everyone"))
                )
            else:
                answer = await client.chat.completions.create(
                    model=SCRIPTED, messages=[{"role": "user", "content": text}], user="everyone"
                )
                answers[number] = answer.choices[0].message.content or ""

        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                for number in range(RACERS):
                    nursery.start_soon(race, number)
    turns = {number: read(answer) for number, answer in answers.items()}
    assert all(client == number for number, (client, _) in turns.items())
    assert sorted(nth for _, nth in turns.values()) == list(range(1, RACERS + 1))
    assert own.live_sessions() == {"main": 1}
    lines = own.requests(status=200, path="/v1/chat/completions")
    assert len(lines) == RACERS
    assert {line["session"] for line in lines} == {"agent:main:openai-user:everyone"}
    own.end()


async def test_who_comes_first_is_served_first(start_gateway: StartGateway) -> None:
    """A waiting stream's head goes out early here: it says that its turn stands in the line."""
    own = start_gateway(firstEventSeconds=0.02)
    served: list[tuple[int, int]] = []
    async with async_client_of(own) as client:

        async def listen(stream: AsyncStream[ChatCompletionChunk]) -> None:
            served.append(read("".join(await words(stream))))

        with trio.fail_after(PATIENCE_S):
            holder = await open_stream(client, "[slow 600] [say one two]", user="line")
            assert await first_word(holder) == "one"
            async with trio.open_nursery() as nursery:
                for number in range(RACERS):
                    stream = await open_stream(client, f"from client {number}", user="line")
                    nursery.start_soon(listen, stream)
                assert not served
                await holder.close()
    # The holder's own message is the first.
    assert sorted(served) == [(number, number + 2) for number in range(RACERS)]
    own.end()


@pytest.mark.parametrize("model", [SCRIPTED, THROUGH_UPSTREAM])
async def test_sessions_stream_side_by_side(
    start_gateway: StartGateway, upstream: Gateway, model: str
) -> None:
    """Every stream has its first word while none has its last, which would come minutes later."""
    own = start_gateway(upstream)
    begun = 0
    all_begun = trio.Event()
    async with async_client_of(own) as client:

        async def listen(number: int) -> None:
            nonlocal begun
            stream = await open_stream(
                client, f"[slow 600] [say first-{number} last]", model=model, user=f"user-{number}"
            )
            assert await first_word(stream) == f"first-{number}"
            begun += 1
            if begun == SESSIONS:
                all_begun.set()
            await all_begun.wait()
            await stream.close()

        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                for number in range(SESSIONS):
                    nursery.start_soon(listen, number)
    assert own.live_sessions() == {"main": SESSIONS}
    own.end()


async def test_a_slow_session_holds_up_no_other(start_gateway: StartGateway) -> None:
    own = start_gateway()
    async with async_client_of(own) as client:
        with trio.fail_after(PATIENCE_S):
            holder = await open_stream(client, "[slow 600] [say one two]", user="slow")
            assert await first_word(holder) == "one"
            for number in range(20):
                stream = await open_stream(client, f"from client {number}", user=f"user-{number}")
                assert read("".join(await words(stream))) == (number, 1)
            assert not own.requests(session="agent:main:openai-user:slow")
            await holder.close()
    await trio.to_thread.run_sync(
        lambda: own.ended_request(session="agent:main:openai-user:slow", error="client_left")
    )
    own.end()


async def test_a_full_line_says_so_and_who_waits_keeps_its_place(
    start_gateway: StartGateway,
) -> None:
    own = start_gateway(firstEventSeconds=0.02)
    async with async_client_of(own) as client:
        with trio.fail_after(PATIENCE_S):
            holder = await open_stream(client, "[slow 600] [say one two]", user="line")
            assert await first_word(holder) == "one"
            waiting = [
                await open_stream(client, f"from client {n}", user="line") for n in range(128)
            ]
            refused = await client.chat.completions.with_raw_response.create(
                model=SCRIPTED, messages=[{"role": "user", "content": "one more"}], user="other"
            )
            assert refused.status_code == 200  # another session is not full
            with pytest.raises(Exception, match="128 turns waiting") as caught:
                await open_stream(client, "one more", user="line")
            assert getattr(caught.value, "code", None) == "session_queue_full"
            # One of those who wait leaves, and the others move up.
            await waiting[5].close()
            until(
                lambda: next(iter(own.requests(error="client_left")), None), "the leaver's leaving"
            )
            await holder.close()
            told = [read("".join(await words(s))) for s in waiting[:5] + waiting[6:]]
    assert [client for client, _ in told] == [n for n in range(128) if n != 5]
    assert [nth for _, nth in told] == list(range(2, 129))
    own.end()
