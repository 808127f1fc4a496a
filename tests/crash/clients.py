"""Clients as people write them: the real SDK with its defaults, one turn after the other.

A client never sleeps and never counts on the gateway's being there. One that names its turn asks again
by the same name until it is told; any other leaves it at what the SDK has tried.
"""

from random import Random
from typing import NamedTuple

import openai
import trio
from openai import AsyncOpenAI, omit
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionAssistantMessageParam,
    ChatCompletionChunk,
    ChatCompletionMessageParam,
    ChatCompletionToolMessageParam,
)

from tests.crash.gateway import PATIENCE_S, Gateway
from tests.crash.ledger import TOOL, Call, Ledger, Told, Turn
from tests.sdk.conftest import function_tool

_LOOK = function_tool(TOOL, "at")
_TRIES = 12
"""How often a client asks by one name, each time with what the SDK tries by itself."""
_GONE = {"stopping", "interrupted"}
"""What a gateway says that is about to end."""


class Session(NamedTuple):
    """A session as its clients know it: by key or by user.

    Each time they send what is new, or all of it `again`.
    """

    key: str
    user: str | None
    again: bool


class Crowd:
    """What all clients share: the ledger, the time to end, and how much they have heard.

    `faults` are errors that no end of a gateway explains.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.ledger = Ledger()
        self.faults: list[str] = []
        self.is_over = False
        self.heard = 0
        self._news = trio.lowlevel.ParkingLot()
        self._sessions = 0

    def hear(self) -> None:
        """Count an answer, or a piece of one."""
        self.heard += 1
        self._news.unpark_all()

    async def has_heard(self, more: int) -> None:
        """Wait until so many more pieces have been heard."""
        until = self.heard + more
        with trio.fail_after(PATIENCE_S):
            while self.heard < until:
                await self._news.park()

    def session(self, random: Random) -> Session:
        """Return a new session."""
        self._sessions += 1
        user = f"user-{self._sessions}" if random.random() < 0.5 else None
        key = f"session-{self._sessions}" if user is None else f"agent:main:openai-user:{user}"
        return Session(key, user, again=random.random() < 0.5)

    def connect(self) -> AsyncOpenAI:
        """Return an SDK's client with that SDK's defaults."""
        return AsyncOpenAI(base_url=self.gateway.url, api_key=self.gateway.key)


class Client:
    """One client of a crowd; in a `shared` session it says whole things by name, and uses no tools."""

    def __init__(
        self, number: int, crowd: Crowd, sdk: AsyncOpenAI, random: Random, shared: Session | None
    ) -> None:
        self._number = number
        self._crowd = crowd
        self._sdk = sdk
        self._random = random
        self._shared = shared
        self._names = 0
        self._history: list[ChatCompletionMessageParam] = []

    async def run(self) -> None:
        """Talk, in one session after the other, until it is over."""
        crowd, random = self._crowd, self._random
        while not crowd.is_over:
            session = self._shared or crowd.session(random)
            self._history.clear()
            for _ in range(random.randint(4, 14)):
                if not crowd.is_over:
                    await self._say(session)

    async def _say(self, session: Session) -> None:
        random, ledger, gateway = self._random, self._crowd.ledger, self._crowd.gateway
        wants = 0 if self._shared else random.choice((0, 0, 0, 1, 2))
        turn = ledger.ask(self._number, session.key, gateway.deaths, wants=wants)
        await self._have(session, turn, [{"role": "user", "content": turn.adds[0]}])
        # Some calls are never answered: the user goes on to something else.
        if wants and turn.told is not None and random.random() < 0.8:
            results = ledger.answer_calls(turn, gateway.deaths)
            answers: list[ChatCompletionToolMessageParam] = [
                {"role": "tool", "tool_call_id": call.id, "content": text}
                for call, text in zip(turn.told.calls, results.adds, strict=True)
            ]
            await self._have(session, results, [*answers])

    async def _have(
        self, session: Session, turn: Turn, new: list[ChatCompletionMessageParam]
    ) -> None:
        """Have a turn answered, if that can be."""
        random = self._random
        name: str | None = None
        if self._shared or random.random() < 0.4:
            self._names += 1
            name = f"client-{self._number}-{self._names}"
        stream = not self._shared and random.random() < 0.6
        leaves = stream and name is None and random.random() < 0.1
        messages = [*self._history, *new] if session.again else new
        for _ in range(1 if name is None else _TRIES):
            turn.told = await self._ask(session, messages, name, stream=stream, leaves=leaves)
            if turn.told is not None:
                self._history += [*new, _as_message(turn.told)]
                break
        turn.ended = self._crowd.gateway.deaths

    async def _ask(
        self,
        session: Session,
        messages: list[ChatCompletionMessageParam],
        name: str | None,
        *,
        stream: bool,
        leaves: bool,
    ) -> Told | None:
        """Ask once; return None if the end of the answer was not seen."""
        headers = {} if name is None else {"Idempotency-Key": name}
        if session.user is None:
            headers["x-openclaw-session-key"] = session.key
        heard = _Heard()
        try:
            with trio.fail_after(PATIENCE_S):
                answer = await self._sdk.chat.completions.create(
                    model="openclaw",
                    messages=messages,
                    tools=[_LOOK],
                    user=omit if session.user is None else session.user,
                    extra_headers=headers,
                    stream=stream,
                )
                if isinstance(answer, ChatCompletion):
                    self._crowd.hear()
                    return _whole(answer)
                async with answer:
                    async for chunk in answer:
                        self._crowd.hear()
                        heard.take(chunk)
                        if leaves:
                            return None
        except openai.APIConnectionError:
            return heard.told
        except openai.APIError as error:
            if error.code not in _GONE:
                self._crowd.faults.append(f"{type(error).__name__}: {error} ({error.code})")
        return heard.told


class _Heard:
    """What a client has heard of a stream; `told` is set at the chunk that says that it is whole."""

    def __init__(self) -> None:
        self.told: Told | None = None
        self._text = ""
        self._calls: list[Call] = []

    def take(self, chunk: ChatCompletionChunk) -> None:
        [choice] = chunk.choices
        self._text += choice.delta.content or ""
        for part in choice.delta.tool_calls or ():
            assert part.function is not None
            fragment = part.function.arguments or ""
            if part.id is not None:
                self._calls.append(Call(part.id, fragment))
            else:
                call = self._calls[part.index]
                self._calls[part.index] = Call(call.id, call.arguments + fragment)
        if choice.finish_reason is not None:
            self.told = Told(self._text, tuple(self._calls))


def _whole(answer: ChatCompletion) -> Told:
    [choice] = answer.choices
    calls = [call for call in choice.message.tool_calls or () if call.type == "function"]
    return Told(
        choice.message.content or "",
        tuple(Call(call.id, call.function.arguments) for call in calls),
    )


def _as_message(told: Told) -> ChatCompletionAssistantMessageParam:
    """Return an answer as it is sent again."""
    message: ChatCompletionAssistantMessageParam = {"role": "assistant", "content": told.text}
    if told.calls:
        message["content"] = None
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": TOOL, "arguments": call.arguments},
            }
            for call in told.calls
        ]
    return message
