"""What each method of the WebSocket does: the table from requests to the house's verbs."""

from typing import TYPE_CHECKING, assert_never

from greenroom.actors.bulletin import Missed, News
from greenroom.actors.house import House
from greenroom.actors.stores.records import Query, SessionName
from greenroom.http.config import Gateway
from greenroom.http.errand_objects import ErrandList, errand_of
from greenroom.http.session_objects import Deleted, list_of, session_of, transcript_of
from greenroom.http.ws import calls, frames
from greenroom.http.ws.asker import Asker
from greenroom.http.ws.chat import Chat

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class Methods:
    """The methods of one house."""

    def __init__(self, house: House, gateway: Gateway, log: "FilteringBoundLogger") -> None:
        self._house = house
        self._chat = Chat(house, gateway, log)

    async def carry_out(self, asked: calls.Asked, asker: Asker) -> None:
        """Answer one request; raises what it cannot answer."""
        match asked:
            case calls.ChatSend(params=params):
                await self._chat.send(params, asker)
            case calls.ChatAttach(params=params):
                await self._chat.attach(params, asker)
            case calls.ChatCancel(params=params):
                await self._chat.cancel(params, asker)
            case calls.SessionsList(params=params):
                await asker.answer(await self._list(params))
            case calls.SessionsGet(params=params):
                name = self._name(params, asker)
                await asker.answer(session_of(await self._house.archive.info(name)))
            case calls.SessionsTranscript(params=params):
                await asker.answer(await self._transcript(params, asker))
            case calls.SessionsReset(params=params):
                name = self._name(params, asker)
                await self._house.archive.reset(name)
                await asker.answer(session_of(await self._house.archive.info(name)))
            case calls.SessionsDelete(params=params):
                name = self._name(params, asker)
                await self._house.archive.delete(name)
                await asker.answer(Deleted(key=name.key, agent=name.agent))
            case calls.SessionsSubscribe(params=params):
                await self._subscribe(params, asker)
            case calls.ErrandsList(params=params):
                await asker.answer(await self._errands(params))
            case calls.ErrandsDecide(params=params):
                errand = await self._house.agenda.decide(
                    params.errand, approves=params.approves, by=params.by, reason=params.reason
                )
                await asker.answer(errand_of(errand))
            case _:
                assert_never(asked)

    def _name(self, params: calls.SessionParams, asker: Asker) -> SessionName:
        name = self._house.session(params.key, params.agent)
        asker.record.agent, asker.record.session = name.agent, name.key
        return name

    async def _list(self, params: calls.ListParams) -> object:
        query = Query(
            agent=(params.agent or "").lower() or None,
            prefix=params.prefix,
            active_since=params.active_since,
            active_before=params.active_before,
            after=params.after,
            limit=params.limit,
        )
        return list_of(await self._house.archive.list(query))

    async def _transcript(self, params: calls.TranscriptParams, asker: Asker) -> object:
        entries = await self._house.archive.transcript(
            self._name(params, asker), after=params.after, limit=params.limit + 1, cut=params.cut
        )
        return transcript_of(entries, params.limit)

    async def _subscribe(self, params: calls.SubscribeParams, asker: Asker) -> None:
        name: SessionName | None = None
        if params.key is not None:
            name = self._house.session(params.key, params.agent)
            asker.record.agent, asker.record.session = name.agent, name.key
        with self._house.bulletin.read(name) as reader:
            key, agent = (None, None) if name is None else (name.key, name.agent)
            await asker.answer(frames.Subscribed(key=key, agent=agent))
            try:
                async for news in reader:
                    await asker.tell([_frame_of(news, asker.id)])
            except Missed:
                lost = frames.NewsFrame(
                    event="subscription.lost", id=asker.id, payload=frames.Missing()
                )
                await asker.tell([frames.encode(lost)])

    async def _errands(self, params: calls.ErrandsParams) -> object:
        session: SessionName | None = None
        if params.session is not None:
            session = self._house.session(params.session, params.agent)
        found = await self._house.agenda.list(session, after=params.after, limit=params.limit + 1)
        data = tuple(map(errand_of, found[: params.limit]))
        more = len(found) > params.limit
        return ErrandList(data=data, has_more=more, next=data[-1].id if more else None)


def _frame_of(news: News, id_: str) -> bytes:
    happened = frames.Happened(
        key=news.session.key,
        agent=news.session.agent,
        at=news.at,
        turn=news.turn,
        state=news.state,
    )
    return frames.encode(frames.NewsFrame(event=news.what.value, id=id_, payload=happened))
