"""Embeddings over HTTP: what is refused by name, the form of the answer, its headers, who may leave."""

import json
from base64 import b64decode
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.channels.channel import Notes
from greenroom.actors.channels.embedding import Embedded, Embedding
from greenroom.actors.failure import FailureKind, TurnFailed
from greenroom.actors.settings import Cost, HouseSettings, ModelSettings
from tests.conftest import PlayedChannel
from tests.http.conftest import GATEWAY, Answer, Site, house_settings

IN_VIRTUAL_TIME = True

PATH = "/v1/embeddings"


class Embedder(PlayedChannel):
    """Gives what it was made with, after `seconds`."""

    def __init__(self, given: Embedded | TurnFailed, seconds: float = 0.0) -> None:
        super().__init__()
        self._given = given
        self._seconds = seconds
        self.wanted: list[Embedding] = []

    async def embed(self, wanted: Embedding) -> Embedded:
        self.wanted.append(wanted)
        await trio.sleep(self._seconds)
        if isinstance(self._given, TurnFailed):
            raise self._given
        return self._given


async def ask(site: Site, **fields: Any) -> Answer:
    return await site.post({"model": "openclaw", "input": "a b"} | fields, path=PATH)


async def test_the_answer_has_a_vector_for_each_input_under_the_clients_name_of_the_model() -> None:
    async with Site() as site:
        answer = await ask(site, input=["a", "b c"], dimensions=3, model="scripted/demo")
    told = answer.json()
    assert (told["object"], told["model"]) == ("list", "scripted/demo")
    assert [(item["object"], item["index"]) for item in told["data"]] == [
        ("embedding", 0),
        ("embedding", 1),
    ]
    assert [len(item["embedding"]) for item in told["data"]] == [3, 3]
    assert told["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


@pytest.mark.parametrize("vector", [b"[0.5,-1]", b'"AAAAPwAAgL8="'])
async def test_both_forms_are_given_whichever_the_upstream_gave(vector: bytes) -> None:
    async with Site(Embedder(Embedded((vector,), 1))) as site:
        numbers = (await ask(site, encoding_format="float")).json()["data"][0]["embedding"]
        packed = (await ask(site, encoding_format="base64")).json()["data"][0]["embedding"]
    assert numbers == [0.5, -1]
    assert b64decode(packed) == b"\0\0\0\x3f\0\0\x80\xbf"


async def test_the_channel_gets_what_was_asked_and_what_nobody_here_knows() -> None:
    embedder = Embedder(Embedded((b"[1]",), 1))
    async with Site(embedder) as site:
        await ask(
            site, input=[5, 6], dimensions=2, user="u", input_type="query", encoding_format=None
        )
    assert embedder.wanted == [
        Embedding("demo", [[5, 6]], dimensions=2, extra={"user": b'"u"', "input_type": b'"query"'})
    ]


async def test_the_headers_tell_who_answered_at_what_cost_and_what_is_left() -> None:
    settings = house_settings()
    provider = settings.providers[0]
    priced = msgspec.structs.replace(provider, models=(ModelSettings("demo", cost=Cost(2.0)),))
    notes = Notes(limits={"remaining-requests": "4"})
    house: HouseSettings = msgspec.structs.replace(
        settings, providers=(priced, *settings.providers[1:])
    )
    channel = Embedder(Embedded((b"[1]",), 500_000, notes), seconds=3.0)
    async with Site(channel, settings=house) as site:
        answer = await ask(site)
    headers = answer.headers
    assert headers["x-greenroom-provider"] == "scripted"
    assert headers["x-greenroom-model"] == "scripted/demo"
    assert headers["x-greenroom-cost"] == "1"
    assert headers["x-ratelimit-remaining-requests"] == "4"
    assert float(headers["x-greenroom-overhead-ms"]) < 1000
    assert headers["openai-processing-ms"] == "3000"
    assert headers["x-request-id"]


WRONG: list[tuple[dict[str, Any], str | None]] = [
    ({"input": ""}, "input[0]"),
    ({"input": []}, "input"),
    ({"input": ["a"] * 2049}, "input"),
    ({"input": ["a", ""]}, "input[1]"),
    ({"input": [[]]}, "input[0]"),
    ({"input": ["a", [1]]}, "input"),
    ({"input": [1, "a"]}, "input"),
    ({"input": [-1]}, "input[0]"),
    ({"input": [[2**63]]}, "input[0]"),
    ({"input": 4}, "input"),
    ({"input": None}, "input"),
    ({"input": [1.5]}, "input[0]"),
    ({"dimensions": 0}, "dimensions"),
    ({"dimensions": "3"}, "dimensions"),
    ({"encoding_format": "hex"}, "encoding_format"),
    ({"model": 4}, "model"),
    ({"model": " "}, None),
]


@pytest.mark.parametrize(("fields", "param"), WRONG)
async def test_what_cannot_be_embedded_is_refused_by_name(
    fields: dict[str, Any], param: str | None
) -> None:
    async with Site() as site:
        answer = await ask(site, **fields)
    assert (answer.status, answer.error()["param"]) == (400, param)


async def test_an_unknown_model_is_not_found() -> None:
    async with Site() as site:
        answer = await ask(site, model="openclaw:nobody")
    assert answer.status in {400, 404}
    assert answer.error()["type"] == "invalid_request_error"


async def test_a_channel_without_embeddings_refuses_the_model() -> None:
    async with Site(PlayedChannel()) as site:
        answer = await ask(site)
    assert (answer.status, answer.error()["param"]) == (400, "model")


async def test_the_upstreams_failure_is_told() -> None:
    failed = TurnFailed.of(FailureKind.UPSTREAM_RATE_LIMITED, "Slow down.", retry_after=2.0)
    async with Site(Embedder(failed)) as site:
        answer = await ask(site)
    assert (answer.status, answer.headers["retry-after-ms"]) == (429, "2000")


async def test_a_vector_that_cannot_be_read_is_the_upstreams_failure() -> None:
    async with Site(Embedder(Embedded((b'["a"]',), 1))) as site:
        answer = await ask(site, encoding_format="base64")
    assert (answer.status, answer.error()["code"]) == (502, "upstream_error")


async def test_an_upstream_that_does_not_answer_has_as_long_as_a_turn_has_to_begin(
    autojump_clock: MockClock,
) -> None:
    settings = msgspec.structs.replace(house_settings(), patience=30.0)
    async with Site(Embedder(Embedded((b"[1]",), 1), seconds=31), settings=settings) as site:
        answer = await ask(site)
    assert (answer.status, answer.error()["code"]) == (504, "upstream_timeout")


async def test_who_leaves_ends_the_call(nursery: trio.Nursery) -> None:
    channel = Embedder(Embedded((b"[1]",), 1), seconds=1000)
    async with Site(channel) as site:
        call = site.call({"model": "openclaw", "input": "a"}, path=PATH)
        nursery.start_soon(call.run)
        await wait_all_tasks_blocked()
        call.leave()
        with trio.fail_after(1):
            await call.over.wait()
        status = await site.house.provider_status()
    assert (status[0].calls, status[0].active) == (1, 0)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", json.dumps({"input": "a"}).encode()])
async def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    async with Site() as site:
        answer = await site.post(body, path=PATH)
    assert answer.status == 400


async def test_only_post_with_the_secret_and_only_while_the_endpoint_is_on() -> None:
    async with Site() as site:
        other = await site.get(PATH)
        assert (other.status, other.headers["allow"]) == (405, "POST")
        stranger = await site.post({"model": "openclaw", "input": "a"}, path=PATH, token=None)
        assert stranger.status == 401
    async with Site(gateway=msgspec.structs.replace(GATEWAY, chat_completions=False)) as site:
        assert (await ask(site)).status == 404
