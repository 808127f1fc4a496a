"""Bodies that are each wrong, made from one that is right; the same for the same seed.

`python -m tests.attacks.malformed --count 100000` sends so many to a gateway that it starts, and tells
what came back; its status is 0 if each was a client's error.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from tests.http.conftest import PATH
from tests.peer import Peer, post
from tests.processes import Process, configuration

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
WHOLE: dict[str, Any] = {
    "model": "openclaw",
    "messages": [
        {"role": "system", "content": "Be brief. ä\u20ac\U0001f600 \\ \" \n"},
        {"role": "user", "content": [{"type": "text", "text": "[say a]"}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "seen"},
        {"role": "user", "content": "[say b]"},
    ],
    "temperature": 1, "top_p": 0.5, "max_tokens": 5, "stream": False, "tools": [TOOL],
}  # fmt: skip
TEXT = json.dumps(WHOLE)
PLACES: tuple[tuple[str | int, ...], ...] = (
    ("model",), ("messages",), ("messages", 0), ("messages", 0, "role"), ("messages", 1, "content"),
    ("messages", 1, "content", 0), ("messages", 1, "content", 0, "type"),
    ("messages", 1, "content", 0, "text"), ("messages", 2, "tool_calls"),
    ("messages", 2, "tool_calls", 0), ("messages", 2, "tool_calls", 0, "id"),
    ("messages", 2, "tool_calls", 0, "function"), ("messages", 2, "tool_calls", 0, "function", "name"),
    ("messages", 3, "tool_call_id"), ("temperature",), ("top_p",), ("max_tokens",), ("stream",),
    ("tools",), ("tools", 0), ("tools", 0, "function"), ("tools", 0, "function", "name"),
)  # fmt: skip
"""Where a value of another type is an error."""
NEEDED = (("messages",), ("messages", 0, "role"), ("messages", 3, "tool_call_id"), ("model",),
          ("tools", 0, "function", "name"), ("messages", 1, "content", 0, "type"))  # fmt: skip
NUMBERS = (
    "-1",
    "1e400",
    "9" * 400,
    "-0.5",
    "NaN",
    "Infinity",
    "0x10",
    "01",
    "1.",
    ".5",
    "+1",
    "1_0",
)


def cut(random: Random) -> bytes:
    return TEXT.encode()[: random.randrange(len(TEXT.encode()))]


def bytes_of_no_text(random: Random) -> bytes:
    whole = TEXT.encode()
    at = random.randrange(len(whole) + 1)
    wrong = random.choice(
        [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80", b"\xe2\x82"]
    )
    return whole[:at] + wrong + whole[at:]


def noise(random: Random) -> bytes:
    return b"\x00" + random.randbytes(random.randrange(200))


def something_behind(random: Random) -> bytes:
    return TEXT.encode() + random.choice(
        [b"{}", b"]", b"}", b",", b"0", b'"', TEXT.encode(), b"\0"]
    )


def a_bracket_lost(random: Random) -> bytes:
    places = [n for n, char in enumerate(TEXT) if char in "{}[]:" and _is_structure(n)]
    at = random.choice(places)
    return (TEXT[:at] + TEXT[at + 1 :]).encode()


def a_control_character(random: Random) -> bytes:
    return TEXT.replace("Be brief.", "Be " + chr(random.randrange(0x20)) + "brief.").encode()


def another_type(random: Random) -> bytes:
    *way, last = random.choice(PLACES)
    document = json.loads(TEXT)
    holder = _at(document, way)
    kinds: list[object] = [7, 1.5, "x", True, [], {}, [[]], {"a": 1}, [1], [None]]
    own: object = holder[last]
    # A number may be an integer with a fraction of zero, a content a text: those are not of another type.
    numbers: tuple[type[object], ...] = (bool, int, float)
    fitting: tuple[type[object], ...] = numbers if isinstance(own, numbers) else (type(own),)
    if last == "content":
        fitting = (*fitting, str)
    holder[last] = random.choice([kind for kind in kinds if not isinstance(kind, fitting)])
    return json.dumps(document).encode()


def something_missing(random: Random) -> bytes:
    *way, last = random.choice(NEEDED)
    document = json.loads(TEXT)
    del _at(document, way)[last]
    return json.dumps(document).encode()


def a_number_out_of_range(random: Random) -> bytes:
    number = random.choice(NUMBERS)
    name, value = random.choice([("temperature", "1"), ("top_p", "0.5"), ("max_tokens", "5")])
    return TEXT.replace(f'"{name}": {value}', f'"{name}": {number}').encode()


def too_deep(random: Random) -> bytes:
    depth = random.randrange(70, 3000)
    opening, closing = random.choice([("[", "]"), ('{"a":', "}")])
    inner = opening * depth + "1" + closing * depth
    return TEXT.replace('"object"}', '"object", "x": ' + inner + "}").encode()


def an_unknown_word(random: Random) -> bytes:
    word = random.choice(["sistem", "", "User", "user ", "\u0000", "x" * 5000])
    return TEXT.replace('"role": "tool"', '"role": ' + json.dumps(word)).encode()


KINDS: tuple[Callable[[Random], bytes], ...] = (
    cut, bytes_of_no_text, noise, something_behind, a_bracket_lost, a_control_character, another_type,
    something_missing, a_number_out_of_range, too_deep, an_unknown_word,
)  # fmt: skip


def bodies(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield the name of what is wrong, and the body."""
    random = Random(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        yield kind.__name__, kind(random)


def _at(document: Any, way: Sequence[object]) -> Any:
    for step in way:
        document = document[step]
    return document


def _is_structure(at: int) -> bool:
    """Whether a place of the whole text is outside of its strings."""
    inside, number = False, 0
    while number < at:
        if TEXT[number] == "\\":
            number += 1
        elif TEXT[number] == '"':
            inside = not inside
        number += 1
    return not inside


def attack(port: int, seed: int, count: int) -> Counter[tuple[str, int]]:
    """Send them over one connection; how often each kind got which status."""
    told: Counter[tuple[str, int]] = Counter()
    with Peer(port) as peer:
        for kind, body in bodies(seed, count):
            peer.send(post(PATH, body))
            answer = peer.answer()
            told[kind, answer.status] += 1
            if not 400 <= answer.status < 500:
                told[f"{kind}: {body[:2000]!r}", answer.status] += 1
    return told


def main() -> int:
    """Attack a gateway of one's own."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.malformed")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Process(Path(folder), configuration()) as process:
        told = attack(process.port, given.seed, given.count)
        memory = process.memory() // 1024
        process.end()
    for (kind, status), number in sorted(told.items()):
        print(f"{number:8} {status} {kind}")
    print(f"{given.count} bodies in {time.monotonic() - begun:.0f} s; {memory} KiB in memory")
    return 0 if all(400 <= status < 500 for _, status in told) else 1


if __name__ == "__main__":
    sys.exit(main())
