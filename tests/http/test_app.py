"""Rules of the paths: who is let in where, what is off, and that a crash stays in its request."""

from collections.abc import Awaitable, Callable
from typing import NoReturn

import msgspec
import pytest
import trio

from greenroom.actors.channels.channel import TextDelta
from greenroom.http import completions
from greenroom.http.config import NoAuth
from tests.conftest import PlayedChannel, words
from tests.http.conftest import GATEWAY, PATH, Site, chat, data_of

TEXT = "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/health", "/healthz"])
async def test_health_is_for_everybody(path: str) -> None:
    async with Site() as site:
        answer = await site.get(path, token=None)
    assert (answer.status, answer.json()) == (200, {"ok": True, "status": "live"})


@pytest.mark.parametrize("path", ["/ready", "/readyz"])
async def test_readiness_is_for_everybody_and_its_detail_for_callers_with_the_secret(
    path: str,
) -> None:
    async with Site() as site:
        for token in (None, "wrong"):
            answer = await site.get(path, token=token)
            assert (answer.status, answer.json()) == (200, {"ready": True})
        detail = (await site.get(path)).json()
    assert detail["ready"] is True
    assert [agent["id"] for agent in detail["agents"]] == ["main", "beta"]


async def test_a_probe_without_a_secret_never_locks_its_address_out() -> None:
    async with Site() as site:
        for _ in range(50):
            assert (await site.get("/ready", token=None)).status == 200
        assert (await site.post(chat())).status == 200


async def test_a_probe_with_wrong_secrets_is_a_guess_like_any_other() -> None:
    async with Site() as site:
        for _ in range(10):
            await site.get("/ready", token="wrong")
        assert (await site.post(chat())).status == 429


async def test_a_house_that_does_not_answer_is_not_ready(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async with Site() as site:
        monkeypatch.setattr(site.house, "status", trio.sleep_forever)
        answer = await site.get("/ready", token=None)
    assert (answer.status, answer.json()) == (503, {"ready": False})


async def test_an_endpoint_that_is_off_is_not_there_whatever_comes() -> None:
    async with Site(gateway=msgspec.structs.replace(GATEWAY, chat_completions=False)) as site:
        for method in ("POST", "GET", "OPTIONS"):
            answer = await site.post(chat(), method=method, token="wrong")
            assert (answer.status, answer.headers["content-type"]) == (404, TEXT)
        assert (await site.get("/v1/models")).status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "BREW"])
async def test_another_method_is_told_those_that_are_allowed(method: str) -> None:
    async with Site() as site:
        answer = await site.post(b"", method=method, token=None)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.headers["content-type"] == TEXT


@pytest.mark.parametrize("path", ["/health", "/v1/models"])
async def test_another_method_elsewhere_is_told_as_well(path: str) -> None:
    async with Site() as site:
        answer = await site.post(b"", path=path)
    assert answer.status == 405
    assert "GET" in answer.headers["allow"]
    assert answer.headers["content-type"] == TEXT


async def test_an_unknown_path_of_the_api_has_the_envelope() -> None:
    async with Site() as site:
        answer = await site.post(b"{}", path="/v1/nowhere")
    assert (answer.status, answer.error()["code"]) == (404, "unknown_url")
    assert answer.error()["message"] == "Unknown request URL: POST /v1/nowhere."


@pytest.mark.parametrize("path", ["/", "/nowhere", "/v1", "//", "/%2e%2e/x", "/v1x/models", "/ä"])
async def test_any_other_path_is_plainly_not_there(path: str) -> None:
    async with Site() as site:
        answer = await site.get(path)
    assert (answer.status, answer.headers["content-type"]) == (404, TEXT)


async def test_without_authentication_everybody_may_ask() -> None:
    async with Site(gateway=msgspec.structs.replace(GATEWAY, auth=NoAuth())) as site:
        assert (await site.post(chat(), token=None)).status == 200
        assert (await site.get("/v1/models", token="any")).status == 200


# Crashes


@pytest.mark.parametrize("stream", [False, True])
async def test_a_crash_before_the_first_word_is_a_500_and_the_next_request_works(
    stream: bool,
) -> None:
    channel = PlayedChannel([ValueError("a secret of ours")], words("Yes."))
    key = {"x-openclaw-session-key": "k"}
    async with Site(channel) as site:
        answer = await site.post(chat(stream=stream), headers=key)
        assert (answer.status, answer.error()["code"]) == (500, "internal_error")
        assert b"secret" not in answer.body
        assert "a secret of ours" in site.lines.text
        assert (await site.post(chat(stream=stream), headers=key)).status == 200


async def test_a_crash_in_the_middle_of_a_stream_is_an_error_event() -> None:
    channel = PlayedChannel([(TextDelta("a"),), ValueError("a secret of ours")], words("Yes."))
    async with Site(channel) as site:
        call = site.call(chat(stream=True))
        await call.run()
        error, done = data_of(call.body)[-2:]
        assert (call.status, done) == (200, "[DONE]")
        assert '"code":"internal_error"' in error
        assert b"secret" not in call.body
        assert (await site.post(chat())).status == 200


async def test_a_crash_of_the_endpoint_itself_is_a_500_and_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*_: object, **__: object) -> NoReturn:
        raise KeyError("a secret of ours")

    async with Site() as site:
        with monkeypatch.context() as patch:
            patch.setattr(completions, "read_order", crash)
            answer = await site.post(chat())
        assert (answer.status, answer.error()["code"]) == (500, "internal_error")
        assert b"secret" not in answer.body
        (line,) = site.lines.all("http.failed")
        assert "KeyError" in line["exception"]
        assert line["request_id"] == answer.headers["x-request-id"]
        assert (await site.post(chat())).status == 200


async def test_a_crash_of_a_route_is_a_500_and_in_our_log(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def crash() -> NoReturn:
        raise KeyError("a secret of ours")

    async with Site() as site:
        status: Callable[[], Awaitable[object]] = crash
        monkeypatch.setattr(site.house, "status", status)
        answer = await site.get("/ready")
        assert (answer.status, answer.error()["code"]) == (500, "internal_error")
        (line,) = site.lines.all("http.failed")
        assert "a secret of ours" in line["exception"]
        assert line["request_id"] == answer.headers["x-request-id"]
        assert (await site.get("/health")).status == 200
    assert capfd.readouterr().err == "", "and nowhere else"


async def test_a_body_where_none_is_wanted_does_no_harm() -> None:
    async with Site() as site:
        answer = await site.post(b"x" * 100_000, method="GET", path="/health")
    assert answer.status in (200, 413)


async def test_the_path_of_the_endpoint_is_exact() -> None:
    async with Site() as site:
        assert (await site.post(chat(), path=PATH + "/")).status == 404
        assert (await site.post(chat(), path=PATH.upper())).status == 404
