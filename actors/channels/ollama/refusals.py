"""What Ollama's API cannot do, said of the field that asks for it."""

from greenroom.actors.failure import FailureKind, TurnFailed


def unsupported(param: str, message: str) -> TurnFailed:
    """Return the refusal of the request's field `param`, as its client spells it."""
    return TurnFailed.of(
        FailureKind.INVALID_REQUEST, message, param=param, code="unsupported_value"
    )


def malformed(param: str, message: str) -> TurnFailed:
    """Return the refusal of a field whose value is not what its name promises."""
    return TurnFailed.of(FailureKind.INVALID_REQUEST, message, param=param, code="invalid_type")
