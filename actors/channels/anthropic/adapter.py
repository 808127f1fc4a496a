"""The adapter of the Anthropic Messages API and of every server that speaks it.

It puts together what `request`, `reply` and `upstream_errors` know, and adds where an upstream is and
how it is told who we are. It speaks version 2023-06-01 of the API, the one that all its servers know.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.anthropic.reply import AnthropicDecoder
from greenroom.actors.channels.anthropic.request import encode_prompt, origin_of
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.entries import Prompt
from greenroom.actors.failure import Failure
from greenroom.actors.settings import ProviderSettings

_FORMATS = {
    "accept": "text/event-stream, application/json",
    "content-type": "application/json",
    "anthropic-version": "2023-06-01",
}


class AnthropicAdapter:
    """An `Adapter` of the provider in `settings`, whose `base_url` ends before "/v1".

    The settings' own headers win, for upstreams that take the key elsewhere.
    """

    def __init__(self, settings: ProviderSettings) -> None:
        key = settings.api_key.reveal() if settings.api_key else None
        ours = {"x-api-key": key} if key else {}
        theirs = {name.lower(): value for name, value in settings.headers.items()}
        self._headers = _FORMATS | ours | theirs
        self._url = _endpoint(settings.base_url)
        self._provider = settings.id
        self._limits = {model.id: model.max_tokens for model in settings.models if model.max_tokens}
        # A header's last word is the key itself where a scheme stands before it.
        secrets = [word for value in theirs.values() for word in (value, value.split(" ")[-1])]
        self._errors = UpstreamErrors(settings.id, [key or "", *secrets])

    def request(self, prompt: Prompt) -> HttpRequest:
        """Return the call that asks for a streamed answer to `prompt`."""
        encoded = encode_prompt(prompt, self._provider, self._limits)
        return HttpRequest(self._url, self._headers, encoded.body, encoded.dropped)

    def decoder(self, prompt: Prompt) -> AnthropicDecoder:
        """Return a reader for the answer of status 2xx to `prompt`."""
        custom = frozenset(tool.name for tool in prompt.tools if tool.kind == "custom")
        return AnthropicDecoder(
            self._errors, lambda: origin_of(prompt, self._provider, self._limits), custom
        )

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """Return what any other status means."""
        return self._errors.of_response(status, headers, body)


def _endpoint(base_url: str) -> str:
    """Return the address to post to; a "/v1" that OpenAI's clients want is not doubled."""
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/").removesuffix("/v1")
    return urlunsplit(parts._replace(path=f"{path}/v1/messages"))
