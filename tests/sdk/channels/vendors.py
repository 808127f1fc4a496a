"""The three upstream APIs as a configuration has them, and three ways to ask whichever of them answers.

Every test of this folder is written once: what differs between the vendors stands in `VENDORS`.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from openai import ContentFilterFinishReasonError, LengthFinishReasonError, OpenAI
from openai.types import CompletionUsage
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionAssistantMessageParam,
    ChatCompletionMessage,
    ChatCompletionMessageParam,
    ChatCompletionToolMessageParam,
)
from openai.types.chat.chat_completion_chunk import ChoiceDelta

from tests.upstreams.api import KEY
from tests.upstreams.upstream import Upstream


class Vendor(NamedTuple):
    """One API: its provider's id, which is also the upstream's name for it, and what it knows.

    `api` and `path` are how a configuration has it, `model` is one that is known by its name alone.
    `says` names what its answers can say: "cached" and "reasoning" tokens, "filtered", "refusal".
    `obeys` is whether it can be told that a tool has to be called, and how many.
    """

    id: str
    api: str
    path: str
    model: str
    says: frozenset[str]
    obeys: bool


VENDORS = (
    Vendor(
        id="openai",
        api="openai-completions",
        path="/v1",
        model="gpt-4o",
        says=frozenset({"cached", "reasoning", "filtered", "refusal"}),
        obeys=True,
    ),
    Vendor(
        id="anthropic",
        api="anthropic-messages",
        path="",
        model="claude-sonnet-4-20250514",
        says=frozenset({"cached", "reasoning", "filtered"}),
        obeys=True,
    ),
    Vendor(id="ollama", api="ollama", path="", model="llama3", says=frozenset(), obeys=False),
)


def provider_of(vendor: Vendor, upstream: Upstream, **settings: object) -> dict[str, object]:
    """Return a provider of a configuration; `settings` are its other keys."""
    url = f"{upstream.root}{vendor.path}"
    return {"api": vendor.api, "baseUrl": url, "apiKey": KEY} | settings


class Call(NamedTuple):
    """A tool call; `arguments` are JSON."""

    id: str
    name: str
    arguments: str

    def result(self, text: str) -> ChatCompletionToolMessageParam:
        """Return the message that answers it."""
        return {"role": "tool", "tool_call_id": self.id, "content": text}


class Answer(NamedTuple):
    """What a client gets, however it asked."""

    text: str
    finish: str | None
    usage: CompletionUsage | None
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[Call, ...] = ()

    @property
    def message(self) -> ChatCompletionAssistantMessageParam:
        """The answer as it is sent again, which has no place for the reasoning."""
        message: ChatCompletionAssistantMessageParam = {"role": "assistant", "content": self.text}
        if self.calls:
            message["content"] = self.text or None
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in self.calls
            ]
        return message


class Ask(Protocol):
    """Asks for an answer; `request` are further fields of the request."""

    def __call__(
        self,
        client: OpenAI,
        model: str,
        messages: str | Iterable[ChatCompletionMessageParam],
        **request: Any,
    ) -> Answer: ...


def whole(
    client: OpenAI,
    model: str,
    messages: str | Iterable[ChatCompletionMessageParam],
    **request: Any,
) -> Answer:
    """Ask for a whole answer."""
    completion = client.chat.completions.create(
        model=model, messages=_messages(messages), stream=False, **request
    )
    return _answer(completion)


def streamed(
    client: OpenAI,
    model: str,
    messages: str | Iterable[ChatCompletionMessageParam],
    **request: Any,
) -> Answer:
    """Ask for a stream, and put the chunks together by hand, as many clients do."""
    finish: str | None = None
    usage: CompletionUsage | None = None
    deltas: list[ChoiceDelta] = []
    with client.chat.completions.create(
        model=model,
        messages=_messages(messages),
        stream=True,
        stream_options={"include_usage": True},
        **request,
    ) as stream:
        for chunk in stream:
            assert usage is None, "something after the usage"
            usage = chunk.usage
            for choice in chunk.choices:
                deltas.append(choice.delta)
                finish = choice.finish_reason
    return Answer(
        text="".join(delta.content or "" for delta in deltas),
        finish=finish,
        usage=usage,
        reasoning="".join(map(_reasoning, deltas)),
        refusal="".join(delta.refusal or "" for delta in deltas),
        calls=_calls(deltas),
    )


def helped(
    client: OpenAI,
    model: str,
    messages: str | Iterable[ChatCompletionMessageParam],
    **request: Any,
) -> Answer:
    """Ask for a stream by the SDK's helper, which is strict about what chunks bring."""
    with client.chat.completions.stream(
        model=model,
        messages=_messages(messages),
        stream_options={"include_usage": True},
        **request,
    ) as stream:
        completion: ChatCompletion | None
        try:
            completion = stream.get_final_completion()
        except (LengthFinishReasonError, ContentFilterFinishReasonError) as cut:
            completion = cut.completion
    assert completion is not None
    return _answer(completion)


def _messages(
    messages: str | Iterable[ChatCompletionMessageParam],
) -> Iterable[ChatCompletionMessageParam]:
    return [{"role": "user", "content": messages}] if isinstance(messages, str) else messages


def _answer(completion: ChatCompletion) -> Answer:
    [choice] = completion.choices
    calls = [call for call in choice.message.tool_calls or [] if call.type == "function"]
    return Answer(
        text=choice.message.content or "",
        finish=choice.finish_reason,
        usage=completion.usage,
        reasoning=_reasoning(choice.message),
        refusal=choice.message.refusal or "",
        calls=tuple(Call(c.id, c.function.name, c.function.arguments) for c in calls),
    )


def _reasoning(part: ChoiceDelta | ChatCompletionMessage) -> str:
    value = (part.model_extra or {}).get("reasoning_content", "")
    assert isinstance(value, str)
    return value


def _calls(deltas: Iterable[ChoiceDelta]) -> tuple[Call, ...]:
    calls: list[Call] = []
    for part in [part for delta in deltas for part in delta.tool_calls or []]:
        assert part.function is not None
        arguments = part.function.arguments or ""
        if part.id is not None:
            assert part.index == len(calls)
            calls.append(Call(part.id, part.function.name or "", arguments))
        else:
            assert part.index == len(calls) - 1
            calls[-1] = calls[-1]._replace(arguments=calls[-1].arguments + arguments)
    return tuple(calls)
