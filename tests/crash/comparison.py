"""After a campaign: what the gateway keeps and what the upstream heard, held against the ledger.

It asks the gateway as any client could, and leaves the judging to `verdict`.
"""

from collections import defaultdict
from collections.abc import Iterable
from urllib.parse import quote

import httpx2
import msgspec
import trio

from tests.crash import verdict
from tests.crash.clients import Crowd
from tests.crash.gateway import Gateway
from tests.crash.ledger import Told, Turn
from tests.crash.verdict import Finding, Page, Said, Wrong
from tests.upstreams.exchange import Record

AT_ONCE_S = 10.0
"""How long an answer may take where nothing is in its way; it takes a hundredth of that."""

_AT_A_TIME = 16
_MOVED = 5
"""How many sessions are exported and made again of that."""
_NOBODY = -1
"""The number of the client that asks at the end."""


class Comparison(msgspec.Struct):
    """What was found, beside what there was to be found."""

    sessions: int
    turns: int
    acknowledged: int
    provider_calls: int
    calls_made_again: int
    stuck: list[str]
    faults: list[str]
    findings: list[Finding]

    def count(self, wrong: Wrong) -> int:
        """Return how many findings there are of a kind."""
        return sum(finding.wrong is wrong for finding in self.findings)

    @property
    def is_good(self) -> bool:
        """Whether nothing was wrong."""
        return not (self.stuck or self.faults or self.findings)


async def compare(gateway: Gateway, crowd: Crowd, records: Iterable[Record]) -> Comparison:
    """Compare, once all clients have gone."""
    ledger, stuck = crowd.ledger, list[str]()
    transcripts: dict[str, list[Said]] = {}
    async with gateway.http() as client:
        at_a_time = trio.CapacityLimiter(_AT_A_TIME)

        async def look(session: str) -> None:
            async with at_a_time:
                if not await _goes_on(client, crowd, session):
                    stuck.append(session)
                transcripts[session] = await _transcript(client, session)

        async with trio.open_nursery() as nursery:
            for session in list(ledger.turns):
                nursery.start_soon(look, session)
        findings: list[Finding] = []
        for session in list(ledger.turns)[:_MOVED]:
            findings += await _moved(client, session, transcripts[session])
    asked = _by_turn(ledger.all, records, findings)
    for session, turns in ledger.turns.items():
        findings += verdict.of_transcript(turns, transcripts[session])
        findings += verdict.of_prompts(turns, asked)
        findings += verdict.of_calls(turns, asked)
    return Comparison(
        sessions=len(ledger.turns),
        turns=len(ledger.all),
        acknowledged=sum(turn.told is not None for turn in ledger.all),
        provider_calls=sum(map(len, asked.values())),
        calls_made_again=sum(len(calls) - 1 for calls in asked.values()),
        stuck=stuck,
        faults=crowd.faults,
        findings=findings,
    )


async def _goes_on(client: httpx2.AsyncClient, crowd: Crowd, session: str) -> bool:
    """Ask for one more turn, once; say whether it came at once."""
    turn = crowd.ledger.ask(_NOBODY, session, crowd.gateway.deaths)
    body = {"model": "openclaw", "messages": [{"role": "user", "content": turn.adds[0]}]}
    answer: httpx2.Response | None = None
    with trio.move_on_after(AT_ONCE_S):
        answer = await client.post(
            "/chat/completions", json=body, headers={"x-openclaw-session-key": session}
        )
    turn.ended = crowd.gateway.deaths
    if answer is None or answer.status_code != 200:
        return False
    turn.told = Told(answer.json()["choices"][0]["message"]["content"])
    return True


async def _transcript(client: httpx2.AsyncClient, session: str) -> list[Said]:
    said: list[Said] = []
    after: int | None = 0
    while after is not None:
        path = f"/sessions/{quote(session, safe='')}/transcript"
        answer = await client.get(path, params={"after": after, "limit": 1000})
        page = msgspec.json.decode(answer.raise_for_status().content, type=Page)
        said += [entry.said for entry in page.data]
        after = page.next
    return said


async def _moved(client: httpx2.AsyncClient, session: str, said: list[Said]) -> list[Finding]:
    """Make the session's export a session of its own, which has to be the same."""
    exported = await client.get(f"/sessions/{quote(session, safe='')}/export")
    copy = f"copy of {session}"
    lines = exported.raise_for_status().content
    restored = await client.post("/sessions", content=lines, params={"key": copy, "agent": "main"})
    restored.raise_for_status()
    if await _transcript(client, copy) == said:
        return []
    return [Finding(Wrong.LOST, f"{session} is another after an export")]


def _by_turn(
    turns: Iterable[Turn], records: Iterable[Record], findings: list[Finding]
) -> dict[Turn, list[Record]]:
    """Return what was asked for each turn; what cannot be for one goes to `findings`."""
    by_text = {turn.adds[-1]: turn for turn in turns}
    asked: defaultdict[Turn, list[Record]] = defaultdict(list)
    for record in records:
        turn = None
        if record.heard is not None:
            turn = by_text.get(record.heard.messages[-1].text)
        if turn is None:
            findings.append(Finding(Wrong.INVENTED, f"a prompt: {record.refusal} {record.body}"))
        else:
            asked[turn].append(record)
    return asked
