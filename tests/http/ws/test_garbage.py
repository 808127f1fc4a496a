"""What is malformed is its client's fault: it is refused, or closes its connection."""

import json
from random import Random
from typing import Any

from tests.http.malformed import malformed
from tests.http.ws.conftest import Socket, WsSite

IN_VIRTUAL_TIME = True

VALID: dict[str, dict[str, Any]] = {
    "chat.send": {"text": "x", "session": "k", "on_busy": "reject", "starting_after": 0},
    "chat.attach": {"turn": "t", "session": "k", "starting_after": 1},
    "chat.cancel": {"turn": "t", "agent": "main"},
    "sessions.list": {"prefix": "k", "active_since": 1.0, "after": "x", "limit": 3},
    "sessions.get": {"key": "k", "agent": "main"},
    "sessions.transcript": {"key": "k", "after": 0, "limit": 3, "cut": True},
    "sessions.reset": {"key": "none"},
    "sessions.delete": {"key": "none"},
    "errands.list": {"session": "k", "after": "", "limit": 3},
    "errands.decide": {"errand": "e", "approves": True, "by": "x", "reason": "y"},
    "leave": {"request": "x"},
}
VALUES: list[object] = [
    None, True, -1, 0, 2**63, 2**70, 1e308, "", "\0", "\n", "é" * 300, "agent:x:y", [], {}, {"a": {}},
]  # fmt: skip


async def answered(socket: Socket, id_: str) -> int:
    """Wait for the answer to a request; return its status, 0 for a good one."""
    while (frame := await socket.hear()).get("type") != "res":
        continue
    assert frame["id"] == id_
    if frame["ok"]:
        return 0
    assert frame["error"]["message"]
    status: int = frame["status"]
    return status


async def test_wrong_values_anywhere_are_refused_by_name() -> None:
    random = Random(1)
    async with WsSite(level="warn") as site:
        socket = await site.open()
        for number in range(1_000):
            method = random.choice(list(VALID))
            params = dict(VALID[method])
            name = random.choice([*params, "other"])
            params[name] = random.choice(VALUES)
            id_ = await socket.ask(method, id_=f"r{number}", **params)
            status = await answered(socket, id_)
            assert status < 500, (method, params)
            assert status or name != "other", (method, params)
        assert not site.lines.text, "nothing is worth a warning"


async def test_malformed_bodies_and_frames_are_refused_or_close_their_connection() -> None:
    closed = refused = 0
    async with WsSite(level="warn") as site:
        socket = await site.open()
        for number, (path, body) in enumerate(malformed(600, 2)):
            text = body.decode(errors="replace")
            if number % 2 and path.endswith("completions"):
                text = (
                    f'{{"type":"req","id":"r{number}","method":"chat.send",'
                    f'"params":{{"request":{text}}}}}'
                )
            await socket.write(text)
            answer = await first_of(socket)
            if answer is None:
                assert socket.code in {1007, 1008}
                closed += 1
                socket = await site.open()
            else:
                assert 400 <= answer["status"] < 500, text
                refused += 1
        assert not site.lines.text, "nothing is worth a warning"
    assert closed > 100
    assert refused > 50


async def first_of(socket: Socket) -> dict[str, Any] | None:
    """Return the next frame, None if the connection is closed instead."""
    heard = await socket.hear_or_close()
    return None if heard is None else dict(json.loads(heard))
