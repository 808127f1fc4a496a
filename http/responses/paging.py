"""Lists of items, page by page; pure. A page goes on behind the item that ended the one before it."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from greenroom.http.errors import INVALID_REQUEST, ApiError, invalid
from greenroom.http.parameters import Parameters, whole
from greenroom.http.responses.objects import ItemList
from greenroom.http.responses.shown import Shown

_MOST = 100


class Page(msgspec.Struct, frozen=True):
    """Which page is wanted."""

    after: str | None
    limit: int
    order: Literal["asc", "desc"]


def page_of(parameters: Parameters) -> Page:
    """Read a list's parameters.

    Raises:
        ApiError: 400, naming one of them.
    """
    limit = whole(parameters, "limit", 20, least=1, most=_MOST)
    match parameters.get("order", "desc"):
        case "asc":
            return Page(parameters.get("after") or None, limit, "asc")
        case "desc":
            return Page(parameters.get("after") or None, limit, "desc")
        case _:
            raise invalid("`order` must be asc or desc.", "order", "invalid_value")


def cut_page(items: Sequence[Shown], page: Page) -> ItemList:
    """Return a page of items, which are given in the order asc.

    Raises:
        ApiError: 404, if what it is to go on behind is not among them.
    """
    ordered = list(items) if page.order == "asc" else list(reversed(items))
    first = 0
    if page.after is not None:
        places = [at for at, (id_, _) in enumerate(ordered, 1) if str(id_) == page.after]
        if not places:
            raise no_item(page.after, "after")
        first = places[0]
    shown = ordered[first : first + page.limit]
    return list_of(shown, has_more=len(ordered) > first + page.limit)


def list_of(shown: Sequence[Shown], *, has_more: bool) -> ItemList:
    """Return items as a list."""
    return ItemList(
        data=tuple(item for _, item in shown),
        first_id=str(shown[0][0]) if shown else None,
        last_id=str(shown[-1][0]) if shown else None,
        has_more=has_more,
    )


def no_item(id_: str, param: str) -> ApiError:
    """Return the refusal of an item that is not there."""
    what = f"Item with id '{id_}' not found."
    return ApiError(404, INVALID_REQUEST, what, param=param, code="item_not_found")
