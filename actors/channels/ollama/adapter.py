"""The adapter of Ollama's own API, `/api/chat`.

It puts together what `request`, `reply`, `calling` and `upstream_errors` know, and adds how large the
listed models' windows are.
"""

from collections.abc import Mapping

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.calling import endpoint, identity, secrets
from greenroom.actors.channels.ollama.reply import OllamaDecoder
from greenroom.actors.channels.ollama.request import encode_prompt
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.entries import Prompt
from greenroom.actors.failure import Failure
from greenroom.actors.settings import ProviderSettings

_FORMATS = {"accept": "application/x-ndjson, application/json", "content-type": "application/json"}


class OllamaAdapter:
    """An `Adapter` of the provider in `settings`, whose `base_url` is the server's root."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._headers = _FORMATS | identity(settings)
        self._url = endpoint(settings.base_url, "api/chat")
        self._errors = UpstreamErrors(settings.id, secrets(settings))
        self._windows = {_tagged(model.id): model.context_window for model in settings.models}

    def request(self, prompt: Prompt) -> HttpRequest:
        """Return the call that asks for a streamed answer to `prompt`; raises `TurnFailed`."""
        encoded = encode_prompt(prompt, self._windows.get(_tagged(prompt.model)))
        return HttpRequest(self._url, self._headers, encoded.body, encoded.dropped)

    def decoder(self, prompt: Prompt) -> OllamaDecoder:
        """Return a reader for one answer of status 2xx to `prompt`."""
        return OllamaDecoder(self._errors, tells_logprobs=prompt.sampling.top_logprobs is not None)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """Return what any other status means."""
        return self._errors.of_response(status, headers, body)


def _tagged(model: str) -> str:
    """Return a model's name with its tag, which is "latest" where none is given."""
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"
