"""Sessions and errands over the WebSocket: the same objects as over HTTP."""

from typing import Any

import pytest

from greenroom.actors.entries import ToolCall
from greenroom.actors.stores.records import SessionName
from tests.http.ws.conftest import Socket, WsSite

IN_VIRTUAL_TIME = True


async def talked(site: WsSite) -> Socket:
    """Return a connection over which two sessions have been talked to."""
    socket = await site.open()
    for key in ("a", "b"):
        await socket.chat("[say one]", session=key)
    return socket


async def test_sessions_are_listed_page_by_page_as_over_http() -> None:
    async with WsSite() as site:
        socket = await talked(site)
        assert await socket.get("sessions.list") == (await site.get("/v1/sessions")).json()
        page = await socket.get("sessions.list", limit=1, agent="MAIN")
        rest = await socket.get("sessions.list", limit=1, after=page["next"])
        keys = [session["key"] for session in page["data"] + rest["data"]]
        assert sorted(keys) == ["a", "b"]
        assert (await socket.get("sessions.list", prefix="b"))["data"][0]["key"] == "b"
        assert not (await socket.get("sessions.list", active_before=1.0))["data"]
        status, error = await socket.refused("sessions.list", after="nonsense")
        assert (status, error["param"]) == (400, "params.after")


async def test_a_session_is_shown_reset_and_deleted() -> None:
    async with WsSite() as site:
        socket = await talked(site)
        shown = await socket.get("sessions.get", key="a")
        assert shown == (await site.get("/v1/sessions/a")).json()
        assert shown["entries"] == 2
        transcript = await socket.get("sessions.transcript", key="a", after=0, limit=1)
        over_http = await site.get("/v1/sessions/a/transcript", query="limit=1")
        assert transcript == over_http.json()
        assert transcript["has_more"] is True
        assert (await socket.get("sessions.reset", key="a"))["entries"] == 0
        assert not (await socket.get("sessions.transcript", key="a"))["data"]
        cut = await socket.get("sessions.transcript", key="a", cut=True)
        assert len(cut["data"]) == 2
        deleted = await socket.get("sessions.delete", key="a")
        assert deleted == {
            "object": "session.deleted",
            "key": "a",
            "agent": "main",
            "deleted": True,
        }
        assert (await site.get("/v1/sessions/a")).status == 404


@pytest.mark.parametrize(
    "method", ["sessions.get", "sessions.transcript", "sessions.reset", "sessions.delete"]
)
async def test_a_session_that_is_none_is_not_found(method: str) -> None:
    async with WsSite() as site:
        status, error = await (await site.open()).refused(method, key="none")
        assert (status, error["param"]) == (404, "params.key")
        assert error["code"] == "session_not_found"


async def test_an_approval_is_listed_and_decided() -> None:
    async with WsSite() as site:
        socket = await talked(site)
        name, call = SessionName("main", "a"), ToolCall("c", "pay", "{}")
        errand = await site.house.agenda.park(name, "t", 3600.0, call)
        for params in ({}, {"session": "a"}):
            page: dict[str, Any] = await socket.get("errands.list", **params)
            assert page == (await site.get("/v1/errands")).json()
            assert [found["id"] for found in page["data"]] == [errand.id]
        assert not (await socket.get("errands.list", session="b"))["data"]
        decided = await socket.get(
            "errands.decide", errand=errand.id, approves=False, by="Ada", reason="too much"
        )
        decision = decided["what"]["decision"]
        assert (decision["approves"], decision["by"]) == (False, "Ada")
        assert decision["reason"] == "too much"
        status, error = await socket.refused("errands.decide", errand="none", approves=True)
        assert (status, error["code"]) == (404, "errand_not_found")
