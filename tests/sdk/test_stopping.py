"""SIGTERM ends a gateway in order: open answers get their time, then they are told, and it exits 0."""

import contextlib
import threading

import httpx2
import openai
import pytest

from tests.processes import until
from tests.sdk.conftest import (
    PATIENCE_S,
    SCRIPTED,
    THROUGH_UPSTREAM,
    Gateway,
    StartGateway,
    client_of,
    reply,
    tell,
)

PAST_THE_DEADLINE = {"gateway.deadline"}
"""What a gateway says of a stop that did not go well."""


def refuses_connections(gateway: Gateway) -> bool | None:
    try:
        httpx2.get(gateway.url, trust_env=False)
    except httpx2.ConnectError:
        return True
    except httpx2.TransportError:
        return None
    return None


@pytest.mark.parametrize("model", [SCRIPTED, THROUGH_UPSTREAM])
def test_an_open_stream_gets_its_end(
    start_gateway: StartGateway, upstream: Gateway, model: str
) -> None:
    own = start_gateway(upstream)
    with (
        client_of(own) as client,
        client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "[slow 0.2] [say a b c d e]"}],
            stream=True,
        ) as stream,
    ):
        next(stream)
        own.terminate()
        until(lambda: refuses_connections(own), "the listener's end")
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "a b c d e"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert own.process.wait(PATIENCE_S) == 0
    own.end()


def test_a_whole_answer_under_way_is_given(start_gateway: StartGateway) -> None:
    own = start_gateway()
    answers: list[str] = []
    with client_of(own) as client:
        asked = threading.Thread(
            target=lambda: answers.append(tell(client, "[wait 1] [say done]", user="u"))
        )
        asked.start()
        until(lambda: own.live_sessions() or None, "the turn's start")
        own.terminate()
        asked.join(PATIENCE_S)
    assert answers == ["done"]
    assert own.process.wait(PATIENCE_S) == 0
    own.end()


def test_a_stream_that_takes_too_long_is_told_why(start_gateway: StartGateway) -> None:
    own = start_gateway(shutdownSeconds=0.5)
    with (
        client_of(own) as client,
        client.chat.completions.create(
            model=SCRIPTED,
            messages=[{"role": "user", "content": "[slow 600] [say one two]"}],
            stream=True,
        ) as stream,
    ):
        next(stream)
        own.terminate()
        with pytest.raises(openai.APIError) as caught:
            list(stream)
    assert caught.value.code == "stopping"
    assert own.process.wait(PATIENCE_S) == 0
    own.end(expected=PAST_THE_DEADLINE)


def test_a_whole_answer_that_takes_too_long_is_told_why(start_gateway: StartGateway) -> None:
    own = start_gateway(shutdownSeconds=0.5)

    def terminate_in_the_turn() -> None:
        until(lambda: own.live_sessions() or None, "the turn's start")
        own.terminate()

    with client_of(own) as client:
        threading.Thread(target=terminate_in_the_turn).start()
        with pytest.raises(openai.InternalServerError) as caught:
            tell(client, "[wait 600]", user="u")
    assert caught.value.code == "stopping"
    assert own.process.wait(PATIENCE_S) == 0
    own.end(expected=PAST_THE_DEADLINE)


def test_idle_connections_do_not_hold_it(start_gateway: StartGateway) -> None:
    own = start_gateway()
    with contextlib.ExitStack() as clients:
        for _ in range(5):
            client = clients.enter_context(client_of(own))
            assert tell(client, "hello") == reply("hello", "1st")
        own.terminate()
        assert own.process.wait(5) == 0
    own.end()
