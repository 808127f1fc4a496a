"""How likely tokens were, as OpenAI's API tells it, whichever API an upstream speaks; pure.

Ollama's token objects are the same but for what they leave out. What else a server puts into one goes
through; what is no token is left out. Source: platform.openai.com, API reference, the chat completion
object, `choices[].logprobs.content`.
"""

import msgspec

from greenroom.actors.channels.channel import LogprobsDelta
from greenroom.actors.channels.loose import fields, items


def logprobs_of(tokens: object, *, refusal: bool = False) -> list[LogprobsDelta]:
    """Return the delta of a list of token objects, none if it has no token."""
    found = [_token(fields(token)) for token in items(tokens) if "token" in fields(token)]
    return [LogprobsDelta(msgspec.json.encode(found), refusal)] if found else []


def _token(token: dict[str, object]) -> dict[str, object]:
    others = [_least(fields(other)) for other in items(token.get("top_logprobs"))]
    return _least(token) | {"top_logprobs": others}


def _least(token: dict[str, object]) -> dict[str, object]:
    return token if "bytes" in token else token | {"bytes": None}
