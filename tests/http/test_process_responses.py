"""Responses outlive their client and their gateway: what was accepted is there, and has an end."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from openai import OpenAI
from openai.types.responses import Response

from tests import processes
from tests.http.test_process import Gateway, environment

MODEL = "openclaw"


@contextmanager
def running(folder: Path) -> Generator[tuple[Gateway, OpenAI]]:
    gateway = Gateway(folder, environment(folder / "home"), "--store", "sessions.db")
    try:
        url = f"{gateway.url}/v1"
        with OpenAI(base_url=url, api_key=gateway.token, max_retries=0) as client:
            yield gateway, client
    finally:
        if gateway.process.poll() is None:
            gateway.process.kill()
        gateway.process.communicate(timeout=10)


def until(client: OpenAI, id_: str, is_so: Callable[[Response], bool]) -> Response:
    def found() -> Response | None:
        response = client.responses.retrieve(id_)
        return response if is_so(response) else None

    return processes.until(found, f"the response {id_}")


def in_the_background(client: OpenAI, text: str, **fields: str) -> Response:
    extra = {"previous_response_id": fields["after"]} if fields else {}
    return client.responses.create(
        model=MODEL, input=text, background=True, extra_body=extra or None
    )


def kill(gateway: Gateway, how: signal.Signals) -> None:
    gateway.process.send_signal(how)
    gateway.process.wait(timeout=20)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_responses_outlive_client_and_gateway(tmp_path: Path, how: signal.Signals) -> None:
    with running(tmp_path) as (gateway, client):
        with client.responses.create(
            model=MODEL, input="[slow 0.05] [say a b c d]", background=True, stream=True
        ) as stream:
            event = next(iter(stream))
            assert event.type == "response.created"
            left = event.response.id
        # Its client has left, and it goes on.
        done = until(client, left, lambda response: response.status == "completed")
        assert done.output_text == "a b c d"
        conversation = client.conversations.create(metadata={"a": "b"}).id
        client.responses.create(model=MODEL, input="one", conversation=conversation)
        cut = in_the_background(client, "[slow 60] [say One two]").id
        until(client, cut, lambda response: "One" in response.output_text)
        waiting = in_the_background(client, "Hi", after=cut).id
        assert client.responses.retrieve(waiting).status == "queued"
        kill(gateway, how)

    with running(tmp_path) as (_, client):
        assert client.responses.retrieve(left).to_dict() == done.to_dict()
        with client.responses.retrieve(left, stream=True) as stream:
            last = list(stream)[-1]
        assert last.type == "response.completed"
        assert last.response.to_dict() == done.to_dict()
        for id_ in (cut, waiting):
            ended = client.responses.retrieve(id_)
            assert ended.status == "failed"
            assert ended.error is not None
            assert ended.error.code == "server_error"
            with client.responses.retrieve(id_, stream=True) as stream:
                assert [event.type for event in stream][-1] == "response.failed"
            assert client.responses.cancel(id_).status == "failed"
        onwards = client.responses.create(model=MODEL, input="Hi", previous_response_id=left)
        assert "your 2nd message" in onwards.output_text
        assert client.conversations.retrieve(conversation).metadata == {"a": "b"}
        again = client.responses.create(model=MODEL, input="two", conversation=conversation)
        assert "your 2nd message" in again.output_text
