"""How a failure of an upstream is worded where the upstream itself did not say anything."""


def sentence(provider: str, what: str) -> str:
    """Return a sentence about the provider of that id; `what` is its verb phrase."""
    return f"The provider '{provider}' {what.removesuffix('.')}."
