"""Takes secrets out of what upstreams write, before anybody else reads it.

Upstreams quote keys in their error messages, whole or masked, and proxies quote headers. It knows
the shapes that keys have and the secrets that we sent; it never logs, and never shortens: cut a text
only after it went through here, for half a key has no shape.
"""

import re
from collections.abc import Iterable

_MASK = "[redacted]"

_SHAPES = re.compile(
    r"""
    \b(?:bearer|basic)\s+(?=\S*[\d_=+/*])[^\s"',;]{6,}           # an Authorization header's value
    | \b(?:sk|rk|gsk|xai|hf|gh[pos]|nvapi|pplx|csk)[-_](?=\S*[\d*…])[\w*.…-]{6,}
    | \bAIza[\w*.-]{10,}                                         # Google
    | \beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?                        # a JSON Web Token
    | (?<=://)[^\s/@:]+:[^\s/@]+(?=@)                            # user and password of a URL
    | \b(?:api[-_ ]?key|access[-_ ]?token|client[-_ ]?secret)["']?
      (?:\s+provided)?\s*[=:]\s*["']?[\w*.…-]{8,}
    """,
    re.IGNORECASE | re.VERBOSE,
)

_SHORTEST_SECRET = 6
"""Characters; replacing shorter strings everywhere would garble ordinary words."""


class Redactor:
    """Replaces keys in a text: those of the usual shapes, and the `secrets` that were handed in."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        long_first = sorted(
            (s for s in secrets if len(s) >= _SHORTEST_SECRET), key=len, reverse=True
        )
        self._secrets = tuple(long_first)

    def __call__(self, text: str) -> str:
        """Return `text` with each secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return _SHAPES.sub(_MASK, text)
