"""Rules of the access log: one line a request, with who and how long, and never with what was said."""

import pytest
import trio

from tests.http.conftest import TOKEN, Site, chat

IN_VIRTUAL_TIME = True

KEY = {"x-openclaw-session-key": "my-session"}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_turn_is_one_line_with_everything_but_its_words(stream: bool) -> None:
    async with Site() as site:
        answer = await site.post(
            chat("[wait 2] [slow 1] [say a b c]", stream=stream),
            headers={**KEY, "x-request-id": "r-1"},
        )
        (line,) = site.lines.requests()
    assert line.pop("timestamp")
    assert line.pop("turn") in answer.body.decode()
    assert line == {
        "event": "http.request",
        "level": "info",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "whole": True,
        "request_id": "r-1",
        "agent": "main",
        "session": "my-session",
        "model": "scripted/demo",
        "attempt": 1,
        "stream": stream,
        "first_event_s": 2,
        "duration_s": 4,
        "prompt_tokens": 8,
        "completion_tokens": 3,
    }


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (chat("[fail upstream_timeout]"), 504, "upstream_timeout"),
        (chat("[fail upstream_timeout after 1]", stream=True), 200, "upstream_timeout"),
        (chat(temperature=3), 400, "invalid_value"),
        (b"nonsense", 400, "invalid_json"),
    ],
)
async def test_an_error_is_told_by_its_code(body: object, status: int, error: str) -> None:
    async with Site() as site:
        await site.post(body)
        (line,) = site.lines.requests()
    assert (line["status"], line["error"], line["whole"]) == (status, error, True)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/ready", 200),
        ("GET", "/v1/models", 200),
        ("GET", "/v1/models/none", 404),
        ("PUT", "/v1/chat/completions", 405),
        ("POST", "/health", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/a\nb", 404),
    ],
)
async def test_every_request_is_one_line(method: str, path: str, status: int) -> None:
    async with Site() as site:
        await site.post(b"", method=method, path=path)
        (line,) = site.lines.requests()
    assert (line["method"], line["path"], line["status"]) == (method, path, status)


async def test_no_secret_and_no_word_of_a_talk_is_in_the_log() -> None:
    async with Site(level="info") as site:
        for stream in (False, True):
            await site.post(chat("my-own-words [say their-own-words]", stream=stream), headers=KEY)
            await site.post(chat("my-own-words [fail after 1]", stream=stream))
        await site.post(chat("my-own-words"), token="guessed-token")
        await site.post(b'{"messages": "my-own-words"')
        await site.post(chat("my-own-words", model="my-own-words"))
        await site.get("/v1/models", headers={"x-api-key": "guessed-token"})
        text = site.lines.text
        assert len(site.lines.requests()) == 8
    for hidden in (TOKEN, "guessed-token", "my-own-words", "their-own-words"):
        assert hidden not in text


@pytest.mark.parametrize("given", ["abc", "A-1_2.3", "x" * 128])
async def test_a_usable_request_id_is_the_callers(given: str) -> None:
    async with Site() as site:
        answer = await site.post(chat(), headers={"x-request-id": given})
        (line,) = site.lines.requests()
    assert answer.headers["x-request-id"] == line["request_id"] == given


@pytest.mark.parametrize("given", [None, "", "a b", "ä", "x" * 129, "a\r\nb", "a\n"])
async def test_else_a_request_gets_an_id_of_its_own(given: str | None) -> None:
    headers = {} if given is None else {"x-request-id": given}
    async with Site() as site:
        answers = [await site.post(chat(), headers=headers) for _ in range(2)]
        lines = site.lines.requests()
    made = [answer.headers["x-request-id"] for answer in answers]
    assert made == [line["request_id"] for line in lines]
    assert len(set(made)) == 2
    assert all(id_.startswith("req_") for id_ in made)


@pytest.mark.parametrize(
    ("path", "token", "body"),
    [
        ("/v1/chat/completions", TOKEN, chat()),
        ("/v1/chat/completions", TOKEN, chat(stream=True)),
        ("/v1/chat/completions", TOKEN, chat("[fail]")),
        ("/v1/chat/completions", "wrong", chat()),
        ("/v1/chat/completions", TOKEN, b""),
        ("/nowhere", TOKEN, b""),
        ("/v1/nowhere", TOKEN, b""),
        ("/v1/models", TOKEN, b""),
    ],
)
async def test_every_answer_has_the_products_headers_and_its_id(
    path: str, token: str, body: object
) -> None:
    async with Site() as site:
        answer = await site.post(body, path=path, token=token)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-request-id"].startswith("req_")


async def test_a_request_that_is_cancelled_has_its_line_as_well() -> None:
    async with Site() as site:
        with trio.move_on_after(3):
            await site.call(chat("[wait 100]")).run()
        (line,) = site.lines.requests()
    assert (line["status"], line["whole"], line["duration_s"]) == (0, False, 3)
