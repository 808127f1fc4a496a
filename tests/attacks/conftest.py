"""A gateway as a real process under attack, and a client whose stream is open all along.

Import the names from `tests.attacks.conftest`; pytest has it loaded before any test.
"""

import json
import re
import resource
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

import pytest

from greenroom.http.config import Http1
from tests.http.conftest import PATH
from tests.peer import Peer, post
from tests.processes import Process, configuration, until

MIB = 1024 * 1024
LIMITS = {
    "headTimeoutSeconds": 1,
    "keepAliveSeconds": 2,
    "bodyTimeoutSeconds": 1,
    "writeTimeoutSeconds": 2,
    "maxBodyBytes": MIB,
    "shutdownSeconds": 1,
}
STALL_S: dict[Http1, float] = {"httptools": 1.0, "h11": 3.0}
"""How long a stream beside an attack may say nothing; it says something every `PACE_S`."""
PACE_S = 0.02
WORDS = 4000
GROWTH = 64 * MIB
"""What an interpreter keeps of the memory that 1,000 connections took for a while."""


def chat(what: str, *, stream: bool = False, key: str = "attacked") -> bytes:
    body = {"model": "openclaw", "messages": [{"role": "user", "content": what}], "stream": stream}
    return post(PATH, json.dumps(body).encode(), x_openclaw_session_key=key)


class Witness(threading.Thread):
    """Reads a stream of numbered words, and takes down what is lost and how long nothing came."""

    def __init__(self, connect: Callable[[], Peer]) -> None:
        super().__init__(daemon=True)
        self._connect = connect
        self._over = False
        self.heard = 0
        self.longest_s = 0.0
        self.fault: str | None = None

    def run(self) -> None:
        while not self._over and self.fault is None:
            self._listen()

    def _listen(self) -> None:
        said = " ".join(f"w{n}" for n in range(WORDS))
        with self._connect() as peer:
            peer.send(chat(f"[slow {PACE_S}] [say {said}]", stream=True, key="witness"))
            if peer.head().status != 200:
                self.fault = "its stream did not begin"
                return
            last = time.monotonic()
            expected = 0
            try:
                while not self._over and expected < WORDS:
                    words = re.findall(rb'"content":" ?w(\d+)"', peer.chunk())
                    now = time.monotonic()
                    self.longest_s, last = max(self.longest_s, now - last), now
                    for word in words:
                        if int(word) != expected:
                            self.fault = f"word {expected} is missing before {int(word)}"
                        expected += 1
                        self.heard += 1
            except (AssertionError, OSError, ValueError) as error:
                self.fault = f"its stream ended: {error}"

    def check(self, stall_s: float) -> None:
        """See that the stream goes on, whole and without a stall."""
        before = self.heard
        until(lambda: self.fault or self.heard > before or not self.is_alive() or None, "a word")
        assert self.fault is None
        longest, self.longest_s = self.longest_s, 0.0
        assert longest < stall_s

    def leave(self) -> None:
        self._over = True
        self.join()


class Target:
    """A gateway, and its witness."""

    def __init__(self, process: Process, http1: Http1, tls: ssl.SSLContext | None = None) -> None:
        self.process = process
        self.http1: Http1 = http1
        self.port = process.port
        self._tls = tls
        for _ in range(3):
            self._answers()
        self.witness = Witness(self.connect)
        self.witness.start()
        until(lambda: self.witness.heard or self.witness.fault, "the first word")
        self._memory = process.memory()
        self._sockets = process.sockets()

    def connect(self, *, buffer: int | None = None) -> Peer:
        return Peer(self.port, buffer=buffer, tls=self._tls)

    def _answers(self) -> None:
        with self.connect() as peer:
            peer.send(chat("[say Yes]"))
            answer = peer.answer()
        assert answer.json()["choices"][0]["message"]["content"] == "Yes"

    def check(self) -> None:
        """See that it is as it was: it answers, its witness's stream goes on, its log has no failure."""
        self._answers()
        self.witness.check(STALL_S[self.http1])
        assert "Traceback" not in self.process.errors
        troubles = [line for line in self.process.log if line["level"] in {"error", "critical"}]
        assert not troubles
        self.wait_for_sockets()
        grown = self.process.memory() - self._memory
        assert grown <= GROWTH

    def wait_for_sockets(self) -> None:
        """Wait until no connection is left but the witness's."""
        most = self._sockets + 2
        until(lambda: self.process.sockets() <= most or None, "its sockets back")

    def __enter__(self) -> "Target":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.witness.leave()


@pytest.fixture(scope="module", params=["httptools", "h11"])
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    http1: Http1 = request.param
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    text = configuration(LIMITS, http={"http1": http1})
    try:
        with Process(tmp_path_factory.mktemp("attacked"), text) as process:
            with Target(process, http1) as target:
                yield target
            process.end()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(autouse=True)
def _unharmed(target: Target) -> Iterator[None]:
    yield
    target.check()
