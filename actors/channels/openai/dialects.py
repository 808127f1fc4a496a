"""What is known of servers by their address: which fields of a history they insist on, or refuse.

A server that is not here gets back what it sent itself, and nothing of what others sent. Sources:
api-docs.deepseek.com, "Thinking Mode"; platform.moonshot.ai, "Use the Kimi K2 Thinking Model"; the errors
that OpenAI, Groq and Mistral answer with to fields that they do not know.
"""

import re
from urllib.parse import urlsplit

import msgspec


class Dialect(msgspec.Struct, frozen=True):
    """How a server departs from the rest.

    `strict` servers refuse a message with a field that they do not know. `insists` matches the models
    that refuse a history whose answers lack their thinking.
    """

    strict: bool = False
    insists: re.Pattern[str] | None = None

    def insists_on_thinking(self, model: str) -> bool:
        """Whether `model` wants every answer back with the thinking that led to it, if only empty."""
        return self.insists is not None and self.insists.match(model) is not None


_STRICT = Dialect(strict=True)

_DIALECTS = {
    "api.openai.com": _STRICT,
    "openai.azure.com": _STRICT,
    "api.groq.com": _STRICT,
    "api.mistral.ai": _STRICT,
    "api.deepseek.com": Dialect(insists=re.compile("")),
    "api.moonshot.ai": Dialect(insists=re.compile("kimi", re.IGNORECASE)),
    "api.moonshot.cn": Dialect(insists=re.compile("kimi", re.IGNORECASE)),
}
"""Dialects by domain; what stands below one is of the same."""

_PLAIN = Dialect()


def dialect_of(base_url: str) -> Dialect:
    """Return what is known of the server at `base_url`."""
    host = f".{(urlsplit(base_url).hostname or '').lower()}"
    known = (dialect for domain, dialect in _DIALECTS.items() if host.endswith(f".{domain}"))
    return next(known, _PLAIN)
