"""The adapter of OpenAI Chat Completions and of every server that speaks it.

It puts together what `request`, `reply` and `upstream_errors` know, and adds where an
upstream is and how it is told who we are.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.openai.reply import OpenAIDecoder
from greenroom.actors.channels.openai.request import encode_prompt
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.entries import Prompt
from greenroom.actors.failure import Failure
from greenroom.actors.settings import ProviderSettings

_FORMATS = {"accept": "text/event-stream, application/json", "content-type": "application/json"}


class OpenAIAdapter:
    """An `Adapter` of the provider in `settings`, whose `base_url` ends with "/v1" or its like.

    The settings' own headers win, for upstreams that take the key elsewhere.
    """

    def __init__(self, settings: ProviderSettings) -> None:
        key = settings.api_key.reveal() if settings.api_key else None
        ours = {"authorization": f"Bearer {key}"} if key else {}
        theirs = {name.lower(): value for name, value in settings.headers.items()}
        self._headers = _FORMATS | ours | theirs
        self._url = _endpoint(settings.base_url)
        # A header's last word is the key itself where a scheme stands before it.
        secrets = [word for value in theirs.values() for word in (value, value.split(" ")[-1])]
        self._errors = UpstreamErrors(settings.id, [key or "", *secrets])

    def request(self, prompt: Prompt) -> HttpRequest:
        """Return the call that asks for a streamed answer to `prompt`."""
        return HttpRequest(self._url, self._headers, encode_prompt(prompt))

    def decoder(self, prompt: Prompt) -> OpenAIDecoder:
        """Return a reader for one answer of status 2xx, whatever it answers."""
        return OpenAIDecoder(self._errors)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """Return what any other status means."""
        return self._errors.of_response(status, headers, body)


def _endpoint(base_url: str) -> str:
    """Return the address to post to; a query, as Azure's `api-version`, stays where it belongs."""
    parts = urlsplit(base_url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/chat/completions"))
