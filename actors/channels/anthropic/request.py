"""A prompt as the body of a Messages request, pure.

It puts together what the files beside it know of entries, tools, thinking and the rest, in the order
in which they depend on one another. Source: platform.claude.com, API reference, "Create a Message".
"""

from collections.abc import Mapping

import msgspec

from greenroom.actors.channels.anthropic.content import Block
from greenroom.actors.channels.anthropic.fields import Fields
from greenroom.actors.channels.anthropic.keepsake import Origin
from greenroom.actors.channels.anthropic.messages import Messages, instructions
from greenroom.actors.channels.anthropic.models import traits_of
from greenroom.actors.channels.anthropic.options import (
    account_of,
    format_of,
    refuse_impossible,
    sampling_of,
)
from greenroom.actors.channels.anthropic.thinking import thinking_of
from greenroom.actors.channels.anthropic.tools import toolbox_of
from greenroom.actors.entries import Prompt


class Encoded(msgspec.Struct, frozen=True):
    """A request: its body, the names of what was dropped, and where its answer will come from."""

    body: bytes
    dropped: tuple[str, ...]
    origin: Origin


def encode_prompt(prompt: Prompt, provider: str, limits: Mapping[str, int]) -> Encoded:
    """Return the request that asks for a streamed answer.

    `limits` has the tokens that an answer may have, by model, where they are known. Raises `TurnFailed`
    (INVALID_REQUEST), naming the field, for what the API cannot do.
    """
    traits = traits_of(prompt.model)
    request = Fields(prompt.extra)
    refuse_impossible(prompt.sampling, request)
    box = toolbox_of(prompt, traits, request)
    max_tokens = prompt.sampling.max_tokens or limits.get(prompt.model) or traits.max_output
    thinking = thinking_of(request, traits, max_tokens, forced=box.forced)
    schema, format_words = format_of(request)
    told = [*instructions(prompt.entries), *filter(None, (box.words, format_words))]
    preface: Block = {}
    if told:
        preface["system"] = "\n\n".join(told)
    if box.tools:
        preface["tools"] = box.tools
    origin = Origin(provider, prompt.model)
    messages = Messages(
        request,
        origin if thinking.goes_back(traits) else None,
        msgspec.json.encode(preface) if traits.bound_thinking else None,
    )
    for entry in prompt.entries:
        messages.add(entry)
    said = messages.end()
    if messages.unthought:
        thinking = thinking.without_budget(request)
    config: Block = {"effort": thinking.effort, "format": schema}
    body: Block = {
        "model": prompt.model,
        "max_tokens": max_tokens,
        "stream": True,
        **preface,
        "messages": said,
        "tool_choice": box.choice,
        "thinking": thinking.config,
        "output_config": {name: value for name, value in config.items() if value} or None,
        **sampling_of(prompt.sampling, request, traits, thinking),
        **account_of(request),
    }
    request.drop_rest()
    wire = {name: value for name, value in body.items() if value is not None}
    return Encoded(
        msgspec.json.encode(wire),
        request.dropped,
        msgspec.structs.replace(origin, prefix=messages.prefix),
    )


def origin_of(prompt: Prompt, provider: str, limits: Mapping[str, int]) -> Origin:
    """Return where the answer to a prompt comes from, without its request where that does not matter."""
    if not traits_of(prompt.model).bound_thinking:
        return Origin(provider, prompt.model)
    return encode_prompt(prompt, provider, limits).origin
