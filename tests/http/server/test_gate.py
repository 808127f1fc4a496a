"""Rules of who gets as far as the application: the right name, no page of another site, no stop."""

import pytest

from greenroom.http.access import access_log
from greenroom.http.config import Gateway
from greenroom.http.exchange import App, Event, Exchange, Receive, Scope, Send
from greenroom.http.metrics import Metrics
from greenroom.http.server.common import STOPPING
from greenroom.http.server.gate import gate
from greenroom.http.server.hosts import Hosts
from greenroom.http.server.origins import Origins
from tests.conftest import Lines
from tests.http.conftest import GATEWAY, PATH, Answer, Call, scope_of

HERE = "127.0.0.1:18789"
APP = "https://app.example.com"


class Gated:
    """An application that says that it was reached, behind a gate."""

    def __init__(self, *origins: str, gateway: Gateway = GATEWAY) -> None:
        self.reached = 0
        self.lines = Lines()
        gated = gate(self._app, Hosts(gateway.host), Origins(origins))
        self.app: App = access_log(gated, self.lines.log, Metrics())

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached += 1
        if scope["type"] == "http":
            await Exchange(scope, receive, send).respond(200, (), b"reached")

    async def ask(
        self, method: str = "POST", /, *, stopping: bool = False, **headers: str
    ) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        scope = scope_of(method, PATH, {"host": HERE} | named)
        if stopping:
            scope[STOPPING] = True
        call = Call(self.app, scope, [b"{}"])
        await call.run()
        return await call.answer()

    async def connect(self, **headers: str) -> bool:
        """Ask for a WebSocket; whether the application heard of it."""
        before = self.reached
        scope = scope_of("GET", "/", {"host": HERE} | headers)
        del scope["method"]
        scope["type"], scope["scheme"] = "websocket", "ws"
        sent: list[Event] = []

        async def receive() -> Event:
            return {"type": "websocket.connect"}

        async def send(event: Event) -> None:
            sent.append(event)

        await self.app(scope, receive, send)
        assert sent == [] or sent == [{"type": "websocket.close"}]
        assert bool(sent) is (self.reached == before)
        return not sent


# Names


async def test_who_comes_by_a_name_of_ours_is_let_in() -> None:
    gated = Gated()
    assert (await gated.ask(host="localhost")).body == b"reached"


async def test_who_comes_by_another_name_is_told_and_nothing_runs() -> None:
    gated = Gated()
    answer = await gated.ask(host="evil.example:18789")
    assert answer.status == 421
    assert answer.error()["code"] == "unknown_host"
    assert "evil.example" in str(answer.error()["message"])
    assert gated.reached == 0
    (line,) = gated.lines.requests()
    assert (line["status"], line["error"]) == (421, "unknown_host")


async def test_a_websocket_by_another_name_is_refused() -> None:
    gated = Gated()
    assert await gated.connect()
    assert not await gated.connect(host="evil.example")


# Pages


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (f"http://{HERE}", 200),
        (f"HTTP://{HERE}", 200),
        (f"https://{HERE}", 403),
        ("http://127.0.0.1:3000", 403),
        ("http://127.0.0.1", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_a_page_calls_only_where_it_is_from(method: str, origin: str, status: int) -> None:
    gated = Gated()
    answer = await gated.ask(method, origin=origin)
    assert answer.status == status
    assert not any(name.startswith("access-control") for name in answer.headers)
    if status == 403:
        assert answer.error()["code"] == "origin_not_allowed"
        assert gated.reached == 0


async def test_a_form_of_another_site_that_hides_its_origin_is_refused_all_the_same() -> None:
    gated = Gated()
    assert (await gated.ask(sec_fetch_site="cross-site")).status == 403
    assert (await gated.ask(sec_fetch_site="same-site")).status == 403
    assert (await gated.ask(sec_fetch_site="same-origin")).status == 200
    assert (await gated.ask(sec_fetch_site="none")).status == 200
    assert (await gated.ask("GET", sec_fetch_site="cross-site")).status == 200


async def test_a_websocket_of_another_sites_page_is_refused() -> None:
    gated = Gated(APP)
    assert await gated.connect(origin=f"http://{HERE}")
    assert await gated.connect(origin=APP)
    assert not await gated.connect(origin="https://evil.example")
    assert not await gated.connect(origin="null")


@pytest.mark.parametrize("listed", [APP, APP.upper(), f"{APP}/"])
async def test_a_listed_origin_may_read_its_answers_errors_included(listed: str) -> None:
    gated = Gated(listed)
    for host, status in ((HERE, 200), ("evil.example", 421)):
        answer = await gated.ask(origin=APP, host=host)
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == APP
        assert answer.headers["vary"] == "origin"
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
    assert (await gated.ask(origin="https://other.example")).status == 403
    assert "access-control-allow-origin" not in (await gated.ask()).headers


async def test_a_star_never_comes_with_credentials() -> None:
    answer = await Gated("*").ask(origin="https://any.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


REQUESTED = (
    "authorization, Content-Type,x-stainless-lang, x-stainless-retry-count, openai-organization, "
    "openai-project, idempotency-key, x-openclaw-session-key, x-greenroom-on-busy, api-key, cookie, "
    "x-evil, x-stainless-\\"
)


async def test_a_listed_origin_that_asks_first_is_told_without_authentication() -> None:
    gated = Gated(APP)
    answer = await gated.ask(
        "OPTIONS",
        origin=APP,
        access_control_request_method="POST",
        access_control_request_headers=REQUESTED,
    )
    assert (answer.status, answer.body) == (204, b"")
    assert gated.reached == 0
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    granted = set(answer.headers["access-control-allow-headers"].split(", "))
    assert granted == {
        "authorization", "content-type", "x-stainless-lang", "x-stainless-retry-count",
        "openai-organization", "openai-project", "idempotency-key", "x-openclaw-session-key",
        "x-greenroom-on-busy", "api-key",
    }  # fmt: skip


async def test_without_a_list_nobody_who_asks_first_is_told_anything() -> None:
    answer = await Gated().ask("OPTIONS", origin=APP, access_control_request_method="POST")
    assert answer.status == 403
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_options_without_a_question_is_the_applications() -> None:
    gated = Gated(APP)
    assert (await gated.ask("OPTIONS", origin=APP)).body == b"reached"


# A stop


async def test_who_comes_after_the_stop_is_told_to_come_again() -> None:
    gated = Gated(APP)
    answer = await gated.ask(stopping=True, origin=APP)
    assert (answer.status, answer.error()["code"]) == (503, "stopping")
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["connection"] == "close"
    assert answer.headers["access-control-allow-origin"] == APP
    assert gated.reached == 0
