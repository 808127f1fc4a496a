"""Many posts to one session at once, in many sessions: what the order was, and whether all saw the same.

The upstream counts what it hears of a session, and says so in each answer, so every client knows its
place.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import httpx2
import msgspec
import trio

from tests.crash import wire
from tests.crash.gateway import Gateway
from tests.crash.verdict import Page
from tests.upstreams.cues import echo
from tests.upstreams.exchange import Record
from tests.upstreams.upstream import Upstream

_CONNECTIONS = 500
"""How many posts are under way at a time."""

_PATIENCE_S = 300.0
"""How long a post may take, with all those before it."""


class Post(msgspec.Struct):
    """One post: what it said, when it was sent and answered, its place in the session, counted from 1.

    `ahead` is how many turns were before it when the gateway took it.
    """

    text: str
    sent: float = 0.0
    answered: float = 0.0
    place: int = 0
    ahead: int = 0


class Outcome(msgspec.Struct):
    """What came of a race; `wrong` are sentences, of which a good one has none."""

    sessions: int
    posts: int
    seconds: float
    wrong: list[str]


async def race(gateway: Gateway, upstream: Upstream, *, sessions: int, posts: int) -> Outcome:
    """Have `posts` posts race in each of `sessions` sessions, in as many of these at once as can be."""
    begun = time.monotonic()
    wrong: list[str] = []
    names = [f"race-{number}" for number in range(sessions)]
    at_a_time = max(1, _CONNECTIONS // posts)
    async with gateway.http() as client:
        for first in range(0, sessions, at_a_time):
            some = names[first : first + at_a_time]
            made = {name: [Post(f"{name}, post {n}") for n in range(posts)] for name in some}
            async with trio.open_nursery() as nursery:
                for turn in range(posts):
                    for name in some:
                        nursery.start_soon(_post, gateway, name, made[name][turn])
            heard: defaultdict[str, list[Record]] = defaultdict(list)
            for record in upstream.records:
                heard[record.body["messages"][0]["content"].partition(",")[0]].append(record)
            upstream.records.clear()  # so many prompts are much to keep
            for name in some:
                kept = await _kept(client, name)
                wrong += _judge(name, made[name], kept, heard[name])
    return Outcome(sessions, sessions * posts, time.monotonic() - begun, wrong)


async def _post(gateway: Gateway, session: str, one: Post) -> None:
    body = {"model": "openclaw", "messages": [{"role": "user", "content": one.text}]}
    head = {"x-openclaw-session-key": session}
    one.sent = trio.current_time()
    with trio.fail_after(_PATIENCE_S):
        # A connection each: a pool's own work would grow with the square of them.
        async with wire.post(f"{gateway.url}/chat/completions", gateway.key, body, head) as answer:
            told = await answer.body()
    one.answered = trio.current_time()
    if answer.status == 200:
        said: str = json.loads(told)["choices"][0]["message"]["content"]
        number = said.removesuffix(".").rpartition(" ")[2]
        if number.isdigit() and said == echo(one.text, int(number)):
            one.place = int(number)
            one.ahead = int(answer.headers.get("x-greenroom-queued", "0"))


async def _kept(client: httpx2.AsyncClient, session: str) -> list[tuple[str, str]]:
    path = f"/sessions/{quote(session, safe='')}/transcript"
    answer = await client.get(path, params={"limit": 1000})
    page = msgspec.json.decode(answer.raise_for_status().content, type=Page)
    return [(entry.said.role, entry.said.text) for entry in page.data]


def _judge(
    name: str, posts: Sequence[Post], kept: Sequence[tuple[str, str]], heard: Sequence[Record]
) -> Iterator[str]:
    in_order = sorted(posts, key=lambda post: post.place)
    if [post.place for post in in_order] != list(range(1, len(posts) + 1)):
        yield f"{name}: the places are {[post.place for post in in_order]}"
        return
    whole: list[tuple[str, str]] = []
    for post in in_order:
        whole += [("user", post.text), ("assistant", echo(post.text, post.place))]
    if kept != whole:
        yield f"{name}: the transcript is another: {kept}"
    prompts = [record.heard.said if record.heard else [] for record in heard]
    if prompts != [whole[: 2 * place + 1] for place in range(len(posts))]:
        yield f"{name}: a prompt is not what was said until then"
    # Who was answered before another was sent comes before it, and so do all that it found there.
    for post in in_order:
        before = [one.place for one in posts if one.answered < post.sent]
        if max(before, default=0) > post.place or post.ahead >= post.place:
            yield f"{name}: {post} is out of its order"
