"""`POST /v1/embeddings`: texts become vectors by a provider's model; no session takes part."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast

import msgspec
import trio

from greenroom.actors.channels.embedding import Embedding, as_base64, as_numbers
from greenroom.actors.embedding import Vectors
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.house import House
from greenroom.actors.selection import Selection
from greenroom.http.access import Record, record_of
from greenroom.http.answer_headers import headers_of_call, of_cost
from greenroom.http.answering import Answering
from greenroom.http.auth import Authenticator
from greenroom.http.checks import selection_of
from greenroom.http.config import Gateway
from greenroom.http.decode import check_depth, check_text, decode
from greenroom.http.errors import ApiError, invalid
from greenroom.http.exchange import (
    JSON_TYPE,
    TEXT_TYPE,
    ClientGone,
    Exchange,
    Receive,
    Scope,
    Send,
)
from greenroom.http.paths import not_allowed
from greenroom.http.wire import given

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

PATH = "/v1/embeddings"
MOST_INPUTS = 2048


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request; `input` is a text, texts, tokens, or lists of tokens."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    user: msgspec.Raw = msgspec.Raw()


class EmbeddingObject(msgspec.Struct, frozen=True, kw_only=True):
    """One vector: numbers, or base64 of 32-bit floats, little end first."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: msgspec.Raw


class EmbeddingUsage(msgspec.Struct, frozen=True):
    """`usage`, in tokens."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    object: Literal["list"] = "list"
    data: tuple[EmbeddingObject, ...]
    model: str
    usage: EmbeddingUsage


_request = msgspec.json.Decoder(EmbeddingRequest)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OURS = frozenset(EmbeddingRequest.__struct_fields__) - {"user"}


class Embeddings:
    """The endpoint, as an ASGI application for its one path."""

    def __init__(
        self,
        house: House,
        gateway: Gateway,
        authenticator: Authenticator,
        log: "FilteringBoundLogger",
    ) -> None:
        self._house = house
        self._gateway = gateway
        self._authenticator = authenticator
        self._answering = Answering(gateway.limits, log)
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        record = record_of(scope)
        if not self._gateway.chat_completions:
            await exchange.respond(404, (TEXT_TYPE,), b"Not Found")
            return
        if exchange.method != "POST":
            await not_allowed(exchange, ("POST",))
            return
        try:
            body = await self._answering.read(exchange, self._authenticator)
            check_text(body)
            check_depth(body, self._gateway.limits.max_json_depth)
            request = decode(body, _request)
            wanted = embedding_of(request, decode(body, _fields))
            selection = selection_of(exchange, self._house, request.model, None)
        except ClientGone:
            record.error = "client_left"
        except Exception as error:  # noqa: BLE001 - every error is answered, ours are logged as well
            record.error = await self._answering.refuse(exchange, error, record)
        else:
            record.model, record.stream = str(selection.route), False
            await self._answering.while_there(
                exchange, record, lambda: self._answer(exchange, record, request, wanted, selection)
            )

    async def _answer(
        self,
        exchange: Exchange,
        record: Record,
        request: EmbeddingRequest,
        wanted: Embedding,
        selection: Selection,
    ) -> str | None:
        try:
            vectors = await self._house.embed(selection, wanted, self._log)
            body = _encoded(request, vectors, packed=wanted.packed)
        except Exception as error:  # noqa: BLE001 - every error is answered, ours are logged as well
            return await self._answering.refuse(exchange, error, record)
        record.prompt_tokens, record.cost = vectors.embedded.tokens, vectors.cost
        told = headers_of_call(
            selection.route,
            vectors.embedded.notes.limits,
            trio.current_time() - exchange.begun - (vectors.answered - vectors.called),
        )
        await exchange.respond(200, (JSON_TYPE, *told, *of_cost(vectors.cost)), body)
        return None


def embedding_of(
    request: EmbeddingRequest, fields: dict[str, msgspec.Raw] | None = None
) -> Embedding:
    """Return what a request asks for; `fields` are all that it has.

    Raises:
        ApiError: 400, naming the field.
    """
    if not request.model.strip():
        raise invalid("you must provide a model parameter")
    if request.dimensions is not None and not 1 <= request.dimensions <= 2**31:
        raise invalid("`dimensions` must be at least 1.", "dimensions", "integer_below_min_value")
    return Embedding(
        request.model,
        _inputs(request.input),
        packed=request.encoding_format == "base64",
        dimensions=request.dimensions,
        extra={
            name: bytes(value)
            for name, value in (fields or {}).items()
            if name not in _OURS and given(value)
        },
    )


def _inputs(
    value: str | list[str | int | list[int]],
) -> Sequence[str] | Sequence[Sequence[int]]:
    if isinstance(value, str):
        items: list[str | int | list[int]] = [value]
    elif value and isinstance(value[0], int):
        if not all(isinstance(item, int) for item in value):
            raise _mixed()
        items = [cast("list[int]", value)]
    else:
        items = value
    if not 1 <= len(items) <= MOST_INPUTS:
        raise invalid(f"`input` must have 1 to {MOST_INPUTS} items.", "input", "invalid_value")
    if len({type(item) for item in items}) > 1:
        raise _mixed()
    for index, item in enumerate(items):
        if not item:
            raise invalid(
                f"Invalid 'input[{index}]': nothing to embed.", f"input[{index}]", "invalid_value"
            )
        if isinstance(item, list) and not all(0 <= token < 2**63 for token in item):
            raise invalid(
                f"Invalid 'input[{index}]': a token is 0 or more.",
                f"input[{index}]",
                "invalid_value",
            )
    return cast("Sequence[str] | Sequence[Sequence[int]]", items)


def _mixed() -> ApiError:
    return invalid("`input` must be all texts, or all tokens.", "input", "invalid_type")


def _encoded(request: EmbeddingRequest, vectors: Vectors, *, packed: bool) -> bytes:
    """Return the answer, each vector in the form that was asked for, whichever the upstream gave."""
    shaped = as_base64 if packed else as_numbers
    try:
        data = tuple(
            EmbeddingObject(index=index, embedding=msgspec.Raw(shaped(vector)))
            for index, vector in enumerate(vectors.embedded.vectors)
        )
    except ValueError as error:
        what = f"the embedding cannot be read: {error}"
        raise TurnFailed.of(FailureKind.UPSTREAM_ERROR, what) from None
    tokens = vectors.embedded.tokens
    return msgspec.json.encode(
        EmbeddingList(data=data, model=request.model, usage=EmbeddingUsage(tokens, tokens))
    )
