"""The thinking that a server wants back with the calls that it led to: kept, and given back to whom.

DeepSeek and Kimi refuse a history of tool calls without its `reasoning_content`; OpenRouter passes on
the signatures of Claude and Gemini in `reasoning_details`. Others refuse either, so a server gets what
came from that very provider, and one that insists gets the text whoever wrote it. What a model thought
before an answer without calls is not kept: it would fill the transcript, and an empty text will do.
Sources: as in `dialects`; openrouter.ai, "Reasoning Tokens", "Preserving reasoning".
"""

import msgspec

from greenroom.actors.channels.lines import MAX_SIZE
from greenroom.actors.channels.loose import fields, items, text
from greenroom.actors.channels.openai.dialects import Dialect
from greenroom.actors.channels.openai.wire import Message
from greenroom.actors.entries import Keepsake

API = "openai-completions"
"""The name under which this API's keepsakes go."""

_JOINED = ("text", "summary", "data")
"""What a detail's fragments add to; all else in a detail is a plain value, said once."""

_MOST_DETAILS = 4096


class _Kept(msgspec.Struct, omit_defaults=True):
    """What a keepsake holds: fields of the message, and the provider that they came from.

    Without a provider they are what a client says that they are.
    """

    provider: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[dict[str, object]] | None = None


_kept = msgspec.json.Decoder(_Kept)


def told_by_client(reasoning_content: str) -> Keepsake:
    """Return what a client sent back of an answer's thinking."""
    return Keepsake(API, msgspec.json.encode(_Kept(reasoning_content=reasoning_content)))


def fields_back(
    keepsake: Keepsake | None, provider: str, dialect: Dialect, model: str
) -> dict[str, object]:
    """Return the fields that go back to `provider` with the answer that left `keepsake`."""
    kept = _Kept()
    if keepsake is not None and keepsake.api == API:
        kept = _kept.decode(keepsake.data)
    if dialect.insists_on_thinking(model):
        return {"reasoning_content": kept.reasoning_content or ""}
    if dialect.strict or kept.provider != provider:
        return {}
    found = {
        "reasoning_content": kept.reasoning_content,
        "reasoning_details": kept.reasoning_details,
    }
    return {name: value for name, value in found.items() if value}


class _Detail:
    """One of an answer's `reasoning_details`, put together from its fragments."""

    def __init__(self, first: dict[str, object]) -> None:
        self._rest: dict[str, object] = {}
        self._pieces: dict[str, list[str]] = {}
        self.add(first)

    def goes_on_with(self, fragment: dict[str, object]) -> bool:
        same = (self._rest.get(name) == fragment.get(name) for name in ("type", "index"))
        return fragment.get("index") is not None and all(same)

    def add(self, fragment: dict[str, object]) -> None:
        for name, value in fragment.items():
            if name in _JOINED and isinstance(value, str):
                self._pieces.setdefault(name, []).append(value)
            elif isinstance(value, str | int | float):
                self._rest[name] = value

    def whole(self) -> dict[str, object]:
        return self._rest | {name: "".join(pieces) for name, pieces in self._pieces.items()}


class Thinking:
    """Collects the thinking of one answer of the server that `provider` names; bounded."""

    __slots__ = ("_details", "_provider", "_size", "_texts")

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._texts: list[str] = []
        self._details: list[_Detail] = []
        self._size = 0

    def take(self, message: Message) -> None:
        """Add what `message` has of it."""
        if not (message.reasoning_content or message.reasoning_details):
            return  # most messages have none
        thought = text(message.reasoning_content)
        details = [fields(item) for item in items(message.reasoning_details)]
        self._size += len(thought) + sum(_size_of(detail) for detail in details)
        if self._too_much():
            return
        if thought:
            self._texts.append(thought)
        for detail in filter(None, details):
            if self._details and self._details[-1].goes_on_with(detail):
                self._details[-1].add(detail)
            else:
                self._details.append(_Detail(detail))

    def keepsake(self) -> Keepsake | None:
        """Return what is to be kept, None where there is nothing, or more than the bound."""
        kept = _Kept(
            provider=self._provider,
            reasoning_content="".join(self._texts) or None,
            reasoning_details=[detail.whole() for detail in self._details] or None,
        )
        nothing = kept.reasoning_content is None and kept.reasoning_details is None
        if nothing or self._too_much():
            return None
        return Keepsake(API, msgspec.json.encode(kept))

    def _too_much(self) -> bool:
        return self._size > MAX_SIZE or len(self._details) > _MOST_DETAILS


def _size_of(detail: dict[str, object]) -> int:
    return sum(len(text(detail.get(name))) for name in _JOINED)
