"""Where the exceptions of `httpx2` become ours.

It knows who is to blame for each. Their texts stay behind, for they may quote an address or a header
with a key in it; they go on only as causes, for a log, and not where a header is what they are about.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from typing import cast

import httpx2

from greenroom.actors.channels.wording import sentence
from greenroom.actors.failure import UNREACHABLE, FailureKind, TurnFailed


def failure_of(provider: str, error: httpx2.HTTPError, *, answered: bool) -> TurnFailed:
    """Return what `error` means; `answered` tells that the head of an answer had come."""
    kind = FailureKind.UPSTREAM_ERROR
    code: str | None = None
    match error:
        case httpx2.TimeoutException():
            kind, what = FailureKind.UPSTREAM_TIMEOUT, "did not answer in time"
        case httpx2.ProxyError():
            what = "could not be reached through the proxy"
        case httpx2.ConnectError():
            code, what = UNREACHABLE, f"could not be reached ({_reason(error)})"
        case httpx2.LocalProtocolError() | httpx2.UnsupportedProtocol():
            return unaskable(provider)
        case _ if answered:
            what = "broke off its answer"
        case _:
            what = "closed the connection without a proper answer"
    failure = TurnFailed.of(kind, sentence(provider, what), code=code)
    failure.__cause__ = error
    return failure


def unaskable(provider: str) -> TurnFailed:
    """Return the failure of a request that cannot even be written."""
    what = "cannot be asked: its address, its key or one of its headers is malformed"
    return TurnFailed.of(FailureKind.UPSTREAM_ERROR, sentence(provider, what))


def _reason(error: httpx2.ConnectError) -> str:
    """Return why there is no connection, in words that have no address in them."""
    for cause in _causes(error):
        match cause:
            case socket.gaierror():
                return "its name has no address"
            case ssl.SSLCertVerificationError():
                return f"its certificate is not valid: {cause.verify_message}"
            case ssl.SSLError():
                return "it does not speak TLS as we do"
            case OSError() if cause.errno:
                return os.strerror(cause.errno).lower()
            case _:
                pass
    return "no connection"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield `error` and what led to it, groups included."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in cast("BaseExceptionGroup[BaseException]", error).exceptions:
                yield from _causes(member)
        error = error.__cause__ or error.__context__
