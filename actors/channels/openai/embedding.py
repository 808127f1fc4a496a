"""Embeddings as OpenAI's API and every server that speaks it has them, pure.

Source: platform.openai.com, API reference, "Create embeddings".
"""

import msgspec

from greenroom.actors.channels.adapter import HttpRequest
from greenroom.actors.channels.calling import endpoint, identity, secrets
from greenroom.actors.channels.embedding import Embedded, Embedding
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.settings import ProviderSettings

_FORMATS = {"accept": "application/json", "content-type": "application/json"}


class _Item(msgspec.Struct):
    embedding: msgspec.Raw
    index: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Item]
    usage: _Usage | None = None


_answer = msgspec.json.Decoder(_Answer)


class OpenAIEmbeddings:
    """An `EmbeddingAdapter` of the provider in `settings`."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._headers = _FORMATS | identity(settings)
        self._url = endpoint(settings.base_url, "embeddings")
        self._errors = UpstreamErrors(settings.id, secrets(settings))

    def request(self, wanted: Embedding) -> HttpRequest:
        """Return the call; numbers are what a server gives that is not asked for anything else."""
        body: dict[str, object] = {"model": wanted.model, "input": wanted.inputs}
        if wanted.packed:
            body["encoding_format"] = "base64"
        if wanted.dimensions is not None:
            body["dimensions"] = wanted.dimensions
        for name in wanted.extra.keys() - body.keys():
            body[name] = msgspec.Raw(wanted.extra[name])
        return HttpRequest(self._url, self._headers, msgspec.json.encode(body))

    def read(self, body: bytes, wanted: Embedding) -> Embedded:
        """Return what the body of a good answer says, its vectors in the order of their inputs."""
        try:
            answer = _answer.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if b'"error"' in body[:64]:
                raise self._errors.of_event(body) from None
            raise self._errors.broken("sent something else than embeddings") from None
        placed = {
            at if item.index is None else item.index: bytes(item.embedding)
            for at, item in enumerate(answer.data)
        }
        if len(answer.data) != len(wanted.inputs) or placed.keys() != set(range(len(answer.data))):
            what = f"sent {len(answer.data)} embeddings for {len(wanted.inputs)} inputs"
            raise self._errors.broken(what)
        vectors = tuple(placed[at] for at in range(len(placed)))
        if not all(vector.startswith((b'"', b"[")) for vector in vectors):
            raise self._errors.broken("sent an embedding that is no vector")
        tokens = answer.usage.prompt_tokens if answer.usage is not None else None
        return Embedded(vectors, max(tokens or 0, 0))
