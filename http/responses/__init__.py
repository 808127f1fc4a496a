"""The Responses and Conversations APIs, over the same sessions and turns as chat completions.

A response is a turn, and its id the turn's; a conversation is a session. What a response tells is made of
the turn's events, while they come or as the journal has them, by the same code.
"""

from typing import TYPE_CHECKING

from greenroom.http.exchange import TEXT_TYPE, App, Exchange, Receive, Scope, Send

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from greenroom.actors.house import House
    from greenroom.http.auth import Authenticator
    from greenroom.http.config import Gateway

RESPONSES = "/v1/responses"
CONVERSATIONS = "/v1/conversations"


def responses_apps(
    house: "House", gateway: "Gateway", authenticator: "Authenticator", log: "FilteringBoundLogger"
) -> dict[str, App]:
    """Return the ASGI applications by the path that they are at and below."""
    if not gateway.responses:
        return {RESPONSES: _switched_off, CONVERSATIONS: _switched_off}
    # They take a megabyte, which only those load who switch them on.
    from greenroom.http.responses.conversations import Conversations  # noqa: PLC0415
    from greenroom.http.responses.endpoint import Responses  # noqa: PLC0415

    return {
        RESPONSES: Responses(house, gateway, authenticator, log),
        CONVERSATIONS: Conversations(house, gateway, authenticator, log),
    }


async def _switched_off(scope: Scope, receive: Receive, send: Send) -> None:
    await Exchange(scope, receive, send).respond(404, (TEXT_TYPE,), b"Not Found")
