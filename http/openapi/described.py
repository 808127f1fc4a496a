"""The API's description as it is served: the document, and a page of it."""

from functools import cache

import msgspec

from greenroom.http.openapi.document import document
from greenroom.http.openapi.page import STYLE_HASH, page


class Described(msgspec.Struct, frozen=True):
    """Both, and the page's Content-Security-Policy."""

    as_json: bytes
    as_page: str
    policy: str


@cache
def described() -> Described:
    """Return the description; it is made once."""
    made = document()
    policy = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; frame-ancestors 'none'"
    return Described(msgspec.json.encode(made), page(made), policy)
