"""From `chat.send` to the request that it would be over HTTP, which is checked as that is: pure.

So the same body with the same `idempotency_key` is the same turn, whichever way it comes.
"""

import msgspec
from msgspec import UNSET

from greenroom.http.auth import presented
from greenroom.http.errors import ApiError, invalid
from greenroom.http.exchange import Head
from greenroom.http.ws.calls import SendParams

_HEADERS = {
    "session": "x-openclaw-session-key",
    "agent": "x-openclaw-agent-id",
    "backend": "x-openclaw-model",
    "idempotency_key": "Idempotency-Key",
    "on_busy": "x-greenroom-on-busy",
    "on_disconnect": "x-greenroom-on-disconnect",
    "fork_from": "x-greenroom-fork-from",
    "starting_after": "x-greenroom-starting-after",
}
_PARAMS = {header: f"params.{name}" for name, header in _HEADERS.items()}
_IN_BODY = "params.request"


def body_of(asked: SendParams) -> bytes:
    """Return the body of a chat completions request.

    Raises:
        ApiError: 400, there is neither a `request` nor a `text`, or both, or it is no object.
    """
    if (asked.request is UNSET) == (asked.text is UNSET):
        what = "Give either `params.request`, a chat completions request, or `params.text`."
        raise invalid(what, "params.request", "missing_required_parameter")
    if isinstance(asked.request, msgspec.Raw):
        body = bytes(asked.request)
        if not body.startswith(b"{"):
            raise invalid("`params.request` must be an object.", "params.request", "invalid_type")
        return body
    message = {"role": "user", "content": asked.text}
    return msgspec.json.encode({"model": asked.model, "messages": [message]})


def head_of(asked: SendParams, connection: Head) -> Head:
    """Return the head of a request with a connection's credential."""
    headers = {
        header: str(value)
        for name, header in _HEADERS.items()
        if (value := getattr(asked, name)) is not None
    }
    if asked.pin:
        headers["x-greenroom-pin"] = "true"
    secret = presented(connection)
    if secret is not None:
        headers["authorization"] = f"Bearer {secret}"
    return head_with(connection, headers)


def head_with(connection: Head, headers: dict[str, str]) -> Head:
    """Return a head with these headers, of whoever has the connection."""
    return Head(
        {
            "method": "POST",
            "path": connection.path,
            "client": connection.client,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )


def in_our_words(error: ApiError, *, written: bool) -> ApiError:
    """Return what is wrong with a request, its place named as the frame has it.

    `written` says that the client has written the body by itself.
    """
    body, param = error.body, error.body.param
    if param is None or param.startswith("params."):
        return error
    message = body.message
    if param in _PARAMS:
        place = _PARAMS[param]
        message = message.replace(f"`{param}`", f"`{place}`")
    elif written:
        place = f"{_IN_BODY}.{param}"
    else:
        place = "params.text" if param == "messages" else f"params.{param}"
    return ApiError(
        error.status, body.type, message, param=place, code=body.code, headers=error.headers
    )
