"""`/v1/errands`: what sessions wait for, and a person's word on it.

| | |
|---|---|
| `GET /v1/errands` | those of a session, or all |
| `POST /v1/errands` | make a reminder |
| `GET`, `DELETE /v1/errands/<id>` | one of them; call it off |
| `POST /v1/errands/<id>/decision` | decide an approval |
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from quart import Response, request
from quart_trio import QuartTrio

from greenroom.actors.failure import TurnFailed
from greenroom.actors.house import House
from greenroom.http.errand_objects import (
    DecisionIn,
    ErrandList,
    Forgotten,
    ReminderIn,
    errand_of,
)
from greenroom.http.errors import invalid, of_exception

ROOT = "/v1/errands"
_MOST = 1000

Route = Callable[..., Awaitable[Response]]
Answer = Callable[..., Response]
T = TypeVar("T")


def add_errands(
    app: QuartTrio, house: House, authenticated: Callable[[Route], Route], answer: Answer
) -> None:
    """Add the routes to an application."""
    agenda = house.agenda

    def told(route: Route) -> Route:
        async def checked(**arguments: str) -> Response:
            try:
                return await route(**arguments)
            except TurnFailed as failed:
                raise of_exception(failed) from None

        checked.__name__ = route.__name__
        return authenticated(checked)

    @app.get(ROOT)
    @told
    async def list_errands() -> Response:
        key = request.args.get("session")
        session = None if key is None else house.session(key, request.args.get("agent"))
        limit = _limit(request.args.get("limit", "100"))
        found = await agenda.list(session, after=request.args.get("after", ""), limit=limit + 1)
        data = tuple(map(errand_of, found[:limit]))
        has_more = len(found) > limit
        page = ErrandList(data=data, has_more=has_more, next=data[-1].id if has_more else None)
        return answer(msgspec.json.encode(page))

    @app.post(ROOT)
    @told
    async def remind() -> Response:
        asked = _decoded(await request.get_data(), ReminderIn)
        session = house.session(asked.session, asked.agent)
        errand = await agenda.remind(session, asked.text, at=asked.at, cron=asked.cron)
        return answer(msgspec.json.encode(errand_of(errand)))

    @app.get(f"{ROOT}/<id_>")
    @told
    async def show_errand(id_: str) -> Response:
        return answer(msgspec.json.encode(errand_of(await agenda.get(id_))))

    @app.delete(f"{ROOT}/<id_>")
    @told
    async def call_off(id_: str) -> Response:
        await agenda.call_off(id_)
        return answer(msgspec.json.encode(Forgotten(id_)))

    @app.post(f"{ROOT}/<id_>/decision")
    @told
    async def decide(id_: str) -> Response:
        said = _decoded(await request.get_data(), DecisionIn)
        errand = await agenda.decide(id_, approves=said.approves, by=said.by, reason=said.reason)
        return answer(msgspec.json.encode(errand_of(errand)))


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= _MOST:
        raise invalid(f"`limit` must be an integer from 1 to {_MOST}.", "limit")
    return int(text)


def _decoded(body: bytes | str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"The body does not fit: {error}.", None) from None
