"""Any program of clients: each turn ends once, sessions keep their order, and what was said is kept."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.channels.channel import Deltas, Reading
from greenroom.actors.channels.scripted import ScriptedChannel
from greenroom.actors.entries import AssistantEntry, Entry, Prompt, UserEntry, text_of
from greenroom.actors.turn import TurnEnded
from tests.actors.conftest import (
    TROUBLE,
    Reader,
    Stage,
    a_system,
    has_a_free_permit,
    in_virtual_time,
    result,
    set_stage,
    user,
)

SPEECH = "un deux trois quatre"
KINDS = {
    "quick": f"[say {SPEECH}]",
    "slow": f"[say {SPEECH}][slow 1]",
    "silent": f"[say {SPEECH}][wait 3]",
    "fails": "[fail upstream_overloaded]",
    "fails late": f"[say {SPEECH}][slow 1][fail upstream_error after 2]",
    "crashes": f"[say {SPEECH}][slow 1][crash]",
    "refused": "",
}


class Tripping:
    """A scripted channel with a bug; the first letter of a turn's text is its session's key."""

    def __init__(self) -> None:
        self._script = ScriptedChannel()
        self.prompts: list[Prompt] = []
        self.under_way: Counter[str] = Counter()

    @asynccontextmanager
    async def open(self, prompt: Prompt) -> AsyncGenerator[Reading]:
        self.prompts.append(prompt)
        last = prompt.entries[-1]
        assert isinstance(last, UserEntry)
        text = text_of(last.content)
        self.under_way[text[0]] += 1
        assert self.under_way[text[0]] == 1, f"two turns of {text[0]} at once"
        try:
            async with self._script.open(prompt) as batches:
                yield Stumbling(batches) if "[crash]" in text else batches
        finally:
            self.under_way[text[0]] -= 1

    async def aclose(self) -> None:
        await self._script.aclose()


class Stumbling(Reading):
    """Two batches, then a bug."""

    def __init__(self, batches: AsyncIterator[Deltas]) -> None:
        self._batches = batches
        self._left = 2

    async def __anext__(self) -> Deltas:
        if not self._left:
            raise RuntimeError("a bug")
        self._left -= 1
        return await anext(self._batches)


class Program:
    """Clients that come and go; each turn's text is its session's key and a number."""

    def __init__(self, stage: Stage, nursery: trio.Nursery) -> None:
        self._stage = stage
        self._nursery = nursery
        self.turns: dict[str, list[tuple[str, Reader]]] = {"a": [], "b": []}
        self.readers: list[Reader] = []

    async def come(self, key: str, kind: str) -> None:
        text = f"{key}{len(self.turns[key])} {KINDS[kind]}"
        entry = result("c1") if kind == "refused" else user(text)
        reader = await Reader(self._stage, key, entry).join(self._nursery)
        self.turns[key].append((text, reader))
        self.readers.append(reader)

    def leave(self, number: int) -> None:
        if self.readers:
            self.readers[number % len(self.readers)].leave()


def check_kept(entries: list[Entry], turns: list[tuple[str, Reader]]) -> None:
    """Hold a transcript to what the clients of its turns saw."""
    order = [text for text, _ in turns]
    kept: dict[str, AssistantEntry] = {}
    for said, answer in zip(entries[::2], entries[1::2], strict=True):
        assert isinstance(said, UserEntry)
        assert isinstance(answer, AssistantEntry)
        kept[text_of(said.content)] = answer
    assert len(kept) == len(entries) / 2
    assert list(kept) == [text for text in order if text in kept]
    for text, reader in turns:
        answer = kept.get(text, AssistantEntry(None))
        shown = reader.outcome
        if shown is None:  # it left, and may have missed the end
            assert SPEECH.startswith(answer.text or "")
        elif shown.ended:
            assert shown.failure is None
            assert shown.text == SPEECH
            assert answer == AssistantEntry(SPEECH)
        else:
            assert shown.failure is not None
            assert not any(isinstance(event, TurnEnded) for event in shown.events)
            assert (answer.text or "") == shown.text
            assert answer.interrupted == bool(shown.text)


a_coming = st.tuples(st.just("come"), st.sampled_from("ab"), st.sampled_from(list(KINDS)))
a_leaving = st.tuples(st.just("leave"), st.integers(0, 20), st.none())
a_while = st.tuples(st.just("wait"), st.sampled_from([0.5, 1, 2, 10]), st.none())


@settings(max_examples=200)
@given(
    moves=st.lists(st.one_of(a_coming, a_coming, a_leaving, a_while), max_size=25),
    permits=st.integers(1, 3),
)
def test_each_turn_ends_once_and_what_its_client_saw_is_what_was_kept(
    moves: list[tuple[str, str | float, str | None]], permits: int
) -> None:
    async def main() -> None:
        channel = Tripping()
        async with a_system() as system, trio.open_nursery() as nursery:
            stage = await set_stage(system, channel, max_concurrent=permits)
            program = Program(stage, nursery)
            for move in moves:
                match move:
                    case ("come", str(key), str(kind)):
                        await program.come(key, kind)
                    case ("leave", int(number), _):
                        program.leave(number)
                    case (_, seconds, _):
                        await trio.sleep(float(seconds))
            await trio.sleep(1000)
            assert all(reader.done_at is not None for reader in program.readers)
            for key, turns in program.turns.items():
                await stage.ask(key, user(f"{key} and what was said?"))
                *entries, _ = channel.prompts[-1].entries
                check_kept(entries, turns)
            await wait_all_tasks_blocked()
            assert await has_a_free_permit(stage.provider)

    in_virtual_time(main)
    assert set(TROUBLE) <= {"actor.crashed"}
    TROUBLE.clear()
