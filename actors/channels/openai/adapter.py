"""The adapter of OpenAI Chat Completions and of every server that speaks it.

It puts together what `request`, `reply`, `calling` and `upstream_errors` know.
"""

import time
from collections.abc import Mapping

import msgspec

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.calling import endpoint, identity, secrets
from greenroom.actors.channels.openai.dialects import dialect_of
from greenroom.actors.channels.openai.reply import OpenAIDecoder
from greenroom.actors.channels.openai.request import Destination, encode_prompt
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.entries import Prompt
from greenroom.actors.failure import Failure
from greenroom.actors.settings import ProviderSettings

_FORMATS = {"accept": "text/event-stream, application/json", "content-type": "application/json"}


class OpenAIAdapter:
    """An `Adapter` of the provider in `settings`, whose `base_url` ends with "/v1" or its like."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._headers = _FORMATS | identity(settings)
        self._url = endpoint(settings.base_url, "chat/completions")
        self._destination = Destination(settings.id, dialect_of(settings.base_url))
        self._errors = UpstreamErrors(settings.id, secrets(settings))

    def request(self, prompt: Prompt) -> HttpRequest:
        """Return the call that asks for a streamed answer to `prompt`."""
        to = msgspec.structs.replace(self._destination, now=time.time())
        return HttpRequest(self._url, self._headers, encode_prompt(prompt, to))

    def decoder(self, prompt: Prompt) -> OpenAIDecoder:
        """Return a reader for one answer of status 2xx to `prompt`."""
        return OpenAIDecoder(
            self._errors,
            provider=self._destination.provider,
            choices=prompt.sampling.choices,
            tells_logprobs=prompt.sampling.top_logprobs is not None,
        )

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """Return what any other status means."""
        return self._errors.of_response(status, headers, body)
