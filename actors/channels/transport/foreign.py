"""What goes wrong below a transport, in our words: one vocabulary for all of them.

It knows who is to blame for each. The texts of others stay behind, for they may quote an address or a
header with a key in it; they go on only as causes, for a log, and not where a header is what they are
about.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from typing import cast

from greenroom.actors.channels.wording import sentence
from greenroom.actors.failure import UNREACHABLE, FailureKind, TurnFailed

NO_CONNECTION = "accepted no connection within {:g} seconds"
NO_ANSWER = "began no answer within {:g} seconds"
SILENCE = "sent nothing more for {:g} seconds"
"""What a wait was for, with a place for how long it was."""


def unaskable(provider: str) -> TurnFailed:
    """Return the failure of a request that cannot even be written."""
    what = "cannot be asked: its address, its key or one of its headers is malformed"
    return TurnFailed.of(FailureKind.UPSTREAM_ERROR, sentence(provider, what))


def unreachable(provider: str, error: Exception, *, sent: bool = False) -> TurnFailed:
    """Return the failure of a request for which there is no connection, because of `error`.

    `sent` tells that there was another one before, over which the upstream may have heard of it.
    """
    what = f"could not be reached ({_reason(error)})"
    code = None if sent else UNREACHABLE
    failed = TurnFailed.of(FailureKind.UPSTREAM_ERROR, sentence(provider, what), code=code)
    failed.__cause__ = error
    return failed


def broken(provider: str, error: Exception | None, *, answered: bool) -> TurnFailed:
    """Return the failure of an answer that is not one; `answered` tells that its head had come."""
    what = "broke off its answer" if answered else "closed the connection without a proper answer"
    failed = TurnFailed.of(FailureKind.UPSTREAM_ERROR, sentence(provider, what))
    failed.__cause__ = error
    return failed


def late(provider: str, what: str, limit: float) -> TurnFailed:
    """Return the failure of a wait of `limit` seconds; `what` is one of those above."""
    return TurnFailed.of(FailureKind.UPSTREAM_TIMEOUT, sentence(provider, what.format(limit)))


def _reason(error: Exception) -> str:
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
