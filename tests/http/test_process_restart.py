"""Rules of a rolling restart: under load from an SDK that retries as it does by itself, no call fails."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI

from greenroom.http.config import Http1
from tests.processes import PATIENCE_S, TOKEN, Process, configuration, until

CLIENTS = 8
RESTARTS = 2


class Load:
    """Clients that call one after the other, each in a session of its own, until they are to stop."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/v1"
        self._stop = threading.Event()
        self.calls = [0] * CLIENTS

    def run(self, number: int) -> None:
        """Call; raises what an SDK could not mend, and where an answer is not the next of its session."""
        with (
            httpx2.Client(trust_env=False) as http,
            OpenAI(
                base_url=self._url, api_key=TOKEN, http_client=http, timeout=PATIENCE_S
            ) as client,
        ):
            assert client.max_retries == 2
            for call in itertools.count(1):
                if self._stop.is_set():
                    return
                said = self._call(client, number, call)
                assert f"{call}" in said.split("your ")[1].split(" message")[0], said
                self.calls[number] = call

    def _call(self, client: OpenAI, number: int, call: int) -> str:
        message = f"[slow 0.01] This is call {call} of client {number}"
        headers = {"x-openclaw-session-key": f"client-{number}"}
        if number % 2:
            answer = client.chat.completions.create(
                model="openclaw",
                messages=[{"role": "user", "content": message}],
                extra_headers=headers,
            )
            return answer.choices[0].message.content or ""
        with client.chat.completions.create(
            model="openclaw",
            messages=[{"role": "user", "content": message}],
            stream=True,
            extra_headers=headers,
        ) as stream:
            chunks = list(stream)
        assert chunks[-1].choices[0].finish_reason == "stop"
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    def stop(self) -> None:
        self._stop.set()

    def wait_for_more(self) -> None:
        """Wait until every client has had two answers more."""
        before = list(self.calls)
        until(
            lambda: all(b >= a + 2 for a, b in zip(before, self.calls, strict=True)) or None,
            "more answers",
        )


@pytest.mark.parametrize("http1", ["httptools", "h11"])
def test_no_call_fails_while_one_gateway_takes_over_from_another(
    tmp_path: Path, http1: Http1
) -> None:
    with ExitStack() as processes, ThreadPoolExecutor(CLIENTS) as pool:
        old = processes.enter_context(Process(tmp_path, configuration(http={"http1": http1})))
        port = old.port
        load = Load(port)
        calling = [pool.submit(load.run, number) for number in range(CLIENTS)]
        try:
            load.wait_for_more()
            for _ in range(RESTARTS):
                beside = Process(tmp_path, None, "--wait-for-store", "60", port=port)
                new = processes.enter_context(beside)
                new.wait_for_print(r"^Another gateway has .*; waits up to 60 s for its end$")
                old.end()
                assert not old.logged("gateway.deadline")
                assert new.port == port
                load.wait_for_more()
                old = new
        finally:
            load.stop()
            for one in calling:
                one.result(PATIENCE_S)
        old.end()
