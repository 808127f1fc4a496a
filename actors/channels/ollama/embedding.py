"""Embeddings as Ollama's own API has them, `/api/embed`, pure.

Source: docs.ollama.com, "Generate embeddings".
"""

import msgspec

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.calling import endpoint, identity, secrets
from greenroom.actors.channels.embedding import Embedded, Embedding
from greenroom.actors.channels.ollama.refusals import unsupported
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.settings import ProviderSettings

_FORMATS = {"accept": "application/json", "content-type": "application/json"}
_NATIVE = frozenset({"keep_alive", "options", "truncate"})
"""Ollama's own fields, which pass as they are."""


class _Answer(msgspec.Struct):
    embeddings: list[msgspec.Raw]
    prompt_eval_count: int | None = None


_answer = msgspec.json.Decoder(_Answer)


class OllamaEmbeddings:
    """An `EmbeddingAdapter` of the provider in `settings`."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._headers = _FORMATS | identity(settings)
        self._url = endpoint(settings.base_url, "api/embed")
        self._errors = UpstreamErrors(settings.id, secrets(settings))

    def request(self, wanted: Embedding) -> HttpRequest:
        """Return the call; a text too long for the model is an error unless `truncate` says else."""
        if not all(isinstance(item, str) for item in wanted.inputs):
            raise unsupported("input", "`input` must be text: Ollama's API takes no tokens.")
        body: dict[str, object] = {
            "model": wanted.model,
            "input": wanted.inputs,
            "truncate": False,
        }
        if wanted.dimensions is not None:
            body["dimensions"] = wanted.dimensions
        for name in _NATIVE & wanted.extra.keys():
            body[name] = msgspec.Raw(wanted.extra[name])
        dropped = tuple(sorted(wanted.extra.keys() - _NATIVE))
        return HttpRequest(self._url, self._headers, msgspec.json.encode(body), dropped)

    def read(self, body: bytes, wanted: Embedding) -> Embedded:
        """Return what the body of a good answer says."""
        try:
            answer = _answer.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if b'"error"' in body[:64]:
                raise self._errors.of_event(body) from None
            raise self._errors.broken("sent something else than embeddings") from None
        vectors = tuple(map(bytes, answer.embeddings))
        if len(vectors) != len(wanted.inputs):
            what = f"sent {len(vectors)} embeddings for {len(wanted.inputs)} inputs"
            raise self._errors.broken(what)
        if not all(vector.startswith(b"[") for vector in vectors):
            raise self._errors.broken("sent an embedding that is no vector")
        return Embedded(vectors, max(answer.prompt_eval_count or 0, 0))
