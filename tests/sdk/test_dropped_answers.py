"""An SDK's own retries: a turn whose answer got lost runs once, and its client gets that answer.

What a client says is unique here, so the upstream's calls and the transcript can be counted.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple
from urllib.parse import quote

import httpx2
import openai
import pytest
from openai import OpenAI, omit

from tests.processes import until
from tests.sdk.channels.vendors import VENDORS, provider_of
from tests.sdk.conftest import PATIENCE_S, Gateway, StartConfigured
from tests.sdk.proxy import Proxy, Step
from tests.upstreams.cues import cue
from tests.upstreams.upstream import Upstream

TIMEOUT_S = 1.0
"""How long a client has patience here."""

LOST_WHOLE = [
    [Step.SWALLOW],
    [Step.HEAD],
    [Step.HALF],
    [Step.DELAY],
    [Step.LOSE],
    [Step.SWALLOW, Step.HALF],
]
"""What happens to turns, one after the other, before they get through."""
LOST_STREAMS = [[Step.SWALLOW], [Step.DELAY], [Step.LOSE], [Step.SWALLOW, Step.SWALLOW]]


@pytest.fixture(scope="module")
def vendors() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream
    assert [record.refusal for record in upstream.records if record.refusal is not None] == []


@pytest.fixture(scope="module")
def gateway(start_configured: StartConfigured, vendors: Upstream) -> Gateway:
    providers = {"openai": provider_of(VENDORS[0], vendors)}
    agents = {"entries": {"main": {"model": "openai/gpt-4o"}}}
    return start_configured({"providers": providers}, agents)


class Sessions(NamedTuple):
    """A way to name a session, or not to; `key` is by what the gateway knows it."""

    kind: Literal["by key", "by user", "none"]
    key: str | None
    user: str | None = None


def sessions(fresh: str) -> list[Sessions]:
    return [
        Sessions("by key", fresh),
        Sessions("by user", f"agent:main:openai-user:{fresh}", user=fresh),
        Sessions("none", None),
    ]


class Talker:
    """The SDK with its default retries, behind a proxy."""

    def __init__(self, gateway: Gateway, proxy: Proxy, sessions: Sessions) -> None:
        headers = {"Connection": "close"}
        if sessions.kind == "by key" and sessions.key is not None:
            headers["x-openclaw-session-key"] = sessions.key
        self._sdk = OpenAI(
            base_url=proxy.url,
            api_key=gateway.key,
            timeout=TIMEOUT_S,
            default_headers=headers,
        )
        self._user = omit if sessions.user is None else sessions.user

    def say(self, text: str, *, stream: bool, model: str = "openclaw", key: str = "") -> str:
        """Return the whole answer."""
        answer = self._sdk.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": cue(text)}],
            user=self._user,
            stream=stream,
            extra_headers={"Idempotency-Key": key} if key else {},
        )
        if isinstance(answer, openai.Stream):
            with answer:
                return "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        return answer.choices[0].message.content or ""


def calls(vendors: Upstream, text: str) -> list[str]:
    """How the upstream's calls for a text ended."""
    heard = [r for r in vendors.records if r.heard and r.heard.messages[-1].text == cue(text)]
    return [record.end for record in heard]


def transcript(gateway: Gateway, key: str) -> list[tuple[str, str]]:
    head = {"authorization": f"Bearer {gateway.key}"}
    with httpx2.Client(trust_env=False, headers=head) as client:
        answer = client.get(f"{gateway.url}/sessions/{quote(key, safe='')}/transcript?limit=1000")
    said = [entry["message"] for entry in answer.raise_for_status().json()["data"]]
    return [(message["role"], message["content"]) for message in said]


def as_kept(texts: Iterable[str]) -> list[tuple[str, str]]:
    return [said for text in texts for said in (("user", cue(text)), ("assistant", text))]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_turn_whose_answers_get_lost_runs_once_and_is_told_in_the_end(
    gateway: Gateway, vendors: Upstream, fresh: str, stream: bool
) -> None:
    lost = LOST_STREAMS if stream else LOST_WHOLE

    def talk(named: Sessions) -> None:
        texts = [f"{fresh}, {named.kind}, turn {number}" for number in range(len(lost))]
        script = [step for steps in lost for step in (*steps, Step.PASS)]
        with Proxy(gateway.url, script) as proxy:
            talker = Talker(gateway, proxy, named)
            assert [talker.say(text, stream=stream) for text in texts] == texts
        assert [calls(vendors, text) for text in texts] == [["whole"]] * len(lost)
        if named.key is not None:
            assert transcript(gateway, named.key) == as_kept(texts)

    with ThreadPoolExecutor() as pool:
        list(pool.map(talk, sessions(fresh), timeout=PATIENCE_S))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_turn_that_its_clients_leaving_has_cancelled_runs_again_in_its_own_place(
    gateway: Gateway, vendors: Upstream, fresh: str, stream: bool
) -> None:
    def talk(named: Sessions) -> None:
        name = named.kind.replace(" ", "")
        model = f"gpt-4o+hold-1+call-{fresh.removeprefix('fresh-')}{name}"
        text = f"{fresh}, {named.kind}"
        with (
            Proxy(gateway.url, [Step.HANG_UP]) as proxy,
            ThreadPoolExecutor(1) as own,
        ):
            said = own.submit(
                Talker(gateway, proxy, named).say, text, stream=stream, model=f"openai/{model}"
            )
            until(lambda: proxy.has_begun or None if stream else vendors.asked(model) or None, "it")
            proxy.hang_up()
            until(lambda: calls(vendors, text) == ["left"] or None, "the cancelling of its run")
            vendors.let_go(model)
            assert said.result(PATIENCE_S) == text
        assert calls(vendors, text) == ["left", "whole"]
        if named.key is not None:
            assert transcript(gateway, named.key) == as_kept([text])

    with ThreadPoolExecutor() as pool:
        list(pool.map(talk, sessions(fresh), timeout=PATIENCE_S))


@pytest.mark.parametrize("step", [Step.HEAD, Step.HALF])
def test_a_stream_that_was_cut_is_told_to_whoever_asks_by_its_key(
    gateway: Gateway, vendors: Upstream, fresh: str, step: Step
) -> None:
    named = sessions(fresh)[0]
    with Proxy(gateway.url, [step]) as proxy:
        talker = Talker(gateway, proxy, named)
        with pytest.raises(openai.APIConnectionError):
            talker.say(fresh, stream=True, key=fresh)
        assert talker.say(fresh, stream=True, key=fresh) == fresh
    assert calls(vendors, fresh) == ["whole"]
    assert transcript(gateway, fresh) == as_kept([fresh])
