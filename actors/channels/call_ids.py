"""Names for tool calls that their upstream left without one."""

from uuid import uuid4


def new_call_id() -> str:
    """Return an id that no other call has: short and plain, as the strictest upstream wants it back."""
    return f"call_{uuid4().hex[:24]}"
