"""Thinking that Claude wants back: kept with an answer, and put where it stood when that is sent again.

Thinking is signed, and its blocks must come back unmodified and in their order among the answer's
other blocks (platform.claude.com, "Thinking", "Preserving thinking blocks"). It knows how an answer
was made up of blocks; the words and the calls themselves stay in the entry. A signature is worth
something to the provider and the model that made it, and to the newest models only as long as
everything before it is what it was ("Prefix checks on thinking blocks"). For others it is left out,
which every model allows, unless it is given a budget to go on thinking with. Pure.
"""

import itertools
from collections.abc import Sequence

import msgspec

from greenroom.actors.channels.anthropic.content import Block, text_blocks
from greenroom.actors.channels.loose import count
from greenroom.actors.entries import AssistantEntry, Keepsake

API = "anthropic-messages"

THINKING = frozenset({"thinking", "redacted_thinking"})
"""The types of blocks that are thinking."""


class Origin(msgspec.Struct, frozen=True):
    """Where thinking comes from, and so where it may go back to.

    `prefix` names all that was sent before it, and is empty where the model does not mind.
    """

    provider: str
    model: str
    prefix: str = ""


class _Kept(msgspec.Struct, frozen=True):
    """An answer's blocks in order: thinking as it came, of others the type, and a text's length."""

    origin: Origin
    blocks: tuple[Block, ...]


def keep(origin: Origin, blocks: Sequence[Block]) -> Keepsake:
    """Return what is to be kept with an answer that was made up of `blocks`."""
    return Keepsake(API, msgspec.json.encode(_Kept(origin, tuple(blocks))))


def laid_out(entry: AssistantEntry, calls: Sequence[Block], origin: Origin | None) -> list[Block]:
    """Return the blocks of an answer, with its thinking if that came from `origin`.

    `calls` are the blocks of its tool calls.
    """
    words = entry.text or entry.refusal or ""
    blocks = _kept_of(entry, origin)
    sizes = [count(block.get("length")) for block in blocks if block.get("type") == "text"]
    uses = sum(block.get("type") == "tool_use" for block in blocks)
    if sum(sizes) != len(words) or uses != len(calls):
        thinking = [block for block in blocks if block.get("type") in THINKING]
        return [*thinking, *text_blocks(words), *calls]
    return _ended(_in_order(blocks, sizes, words, calls))


def _in_order(
    blocks: Sequence[Block], sizes: Sequence[int], words: str, calls: Sequence[Block]
) -> list[Block]:
    ends = itertools.accumulate(sizes)
    texts = iter([words[end - size : end] for size, end in zip(sizes, ends, strict=True)])
    waiting = iter(calls)
    out: list[Block] = []
    for block in blocks:
        match block.get("type"):
            case "text":
                out += text_blocks(next(texts))
            case "tool_use":
                out.append(next(waiting))
            case _:
                out.append(block)
    return out


def _ended(blocks: list[Block]) -> list[Block]:
    """Return the blocks without thinking at their end, where the API does not take it."""
    while blocks and blocks[-1].get("type") in THINKING:
        blocks.pop()
    return blocks


def _kept_of(entry: AssistantEntry, origin: Origin | None) -> tuple[Block, ...]:
    """Return the blocks that were kept with an answer, if its thinking may go back to `origin`."""
    keepsake = entry.keepsake
    if keepsake is None or keepsake.api != API or origin is None:
        return ()
    try:
        kept = msgspec.json.decode(keepsake.data, type=_Kept)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return ()
    return kept.blocks if kept.origin == origin else ()
