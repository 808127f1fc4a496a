"""What clients have said and what they were told: pure, and enough to say what has to be kept.

Every text is said once in a run. What the upstream answers is a function of what it is told, so each turn
knows its answer beforehand.
"""

from collections import defaultdict
from typing import Literal

import msgspec

from tests.upstreams.cues import cue

TOOL = "look"

Role = Literal["user", "tool"]


class Call(msgspec.Struct, frozen=True):
    """A call of the tool; `arguments` are JSON."""

    id: str
    arguments: str


class Told(msgspec.Struct, frozen=True):
    """An answer that its client has seen the end of: a text, or calls."""

    text: str
    calls: tuple[Call, ...] = ()


class Turn(msgspec.Struct, eq=False):
    """One turn as its client knows it.

    `adds` are the texts of its new messages: one of a user, or a result for each call. `answer` is the
    text that comes of them, and `wants` how many calls. `told` is set once the client has seen the end of
    the answer. `begun` and `ended` are how many lives of the gateway had ended by then.
    """

    client: int
    session: str
    role: Role
    adds: tuple[str, ...]
    answer: str
    wants: int
    begun: int
    ended: int = 0
    told: Told | None = None


class Ledger:
    """All turns of a run, by session, in the order in which each client began them."""

    def __init__(self) -> None:
        self.turns: defaultdict[str, list[Turn]] = defaultdict(list)
        self._said = 0

    def ask(self, client: int, session: str, begun: int, *, wants: int = 0) -> Turn:
        """Have a client say something new, which is answered by `wants` calls, or else by words."""
        self._said += 1
        name = f"no. {self._said}"
        answer = "" if wants else f"An answer to {name}, which is {self._said} by number."
        calls = [(TOOL, {"at": f"{name}, place {place}"}) for place in range(wants)]
        text = cue(answer, call=calls)
        return self._note(Turn(client, session, "user", (text,), answer, wants, begun))

    def answer_calls(self, asked: Turn, begun: int) -> Turn:
        """Have a client give the results of the calls that it was told."""
        assert asked.told is not None, "who was told no calls has no results"
        results = tuple(f"the result of {call.id}" for call in asked.told.calls)
        answer = "; ".join(f"{TOOL} said: {result}" for result in results)
        turn = Turn(asked.client, asked.session, "tool", results, answer, 0, begun)
        return self._note(turn)

    def _note(self, turn: Turn) -> Turn:
        self.turns[turn.session].append(turn)
        return turn

    @property
    def all(self) -> list[Turn]:
        """Every turn."""
        return [turn for turns in self.turns.values() for turn in turns]
