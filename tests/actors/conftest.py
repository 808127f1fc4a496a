"""What tests of the actors share: a channel that plays what it is given, and a small house for it.

Import the names from `tests.actors.conftest`; pytest has it loaded before any test.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec
import pytest
import structlog
import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.actors.acting import Equipment
from greenroom.actors.agent import Agent, AgentMessage, AgentStatus, Describe, Rooms
from greenroom.actors.calling import Upstreams
from greenroom.actors.channels.channel import (
    Channel,
    Deltas,
    Finish,
    FinishReason,
    Reading,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.draft import Draft, Shortening
from greenroom.actors.entries import (
    AssistantEntry,
    Entry,
    Prompt,
    SystemEntry,
    Tool,
    ToolCall,
    ToolEntry,
    TranscriptEntry,
    UserEntry,
)
from greenroom.actors.failure import Failure, FailureKind, TurnFailed
from greenroom.actors.kit import NO_KIT, Kit
from greenroom.actors.lifetime import Lifetime
from greenroom.actors.provider import Lease, Provider, ProviderMessage
from greenroom.actors.settings import (
    AgentSettings,
    Bounds,
    Cooldown,
    ProviderSettings,
    Retry,
    SessionLimits,
)
from greenroom.actors.stores.errands import Errand
from greenroom.actors.stores.records import SessionName
from greenroom.actors.stores.store import Store
from greenroom.actors.surroundings import Surroundings
from greenroom.actors.terms import terms_of
from greenroom.actors.tools.tool import InnerTool
from greenroom.actors.tools.toolbox import Toolbox, ToolPolicy
from greenroom.actors.transcript import Plan, Sent, Transcript
from greenroom.actors.turn import (
    Progress,
    Route,
    Sender,
    Submit,
    TurnEnded,
    TurnEvent,
    TurnRequest,
    TurnStarted,
)
from greenroom.actors.window import Estimate, measured
from greenroom.runtime import Ref, System
from greenroom.runtime.ref import OpenStream
from tests.conftest import run_in_virtual_time
from tests.stores import a_store

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger


def in_virtual_time(main: Callable[[], Awaitable[None]]) -> None:
    """Run `main` by itself, as an example of a property test."""
    run_in_virtual_time(main, clock=None, instruments=())


TROUBLE: list[str] = []


def _keep(_: object, __: str, event: "EventDict") -> str:
    TROUBLE.append(str(event["event"]))
    return ""


@pytest.fixture(autouse=True)
def trouble() -> Iterator[list[str]]:
    """The names of warnings and errors that systems logged; whoever expects some takes them out."""
    TROUBLE.clear()
    yield TROUBLE
    assert not TROUBLE


def a_system() -> System:
    """A system whose log is `trouble`."""
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.ReturnLogger(),
        processors=[_keep],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    return System(log=log)


# Entries and deltas, in few letters


def user(text: str) -> UserEntry:
    return UserEntry(text)


def said(text: str) -> AssistantEntry:
    return AssistantEntry(text)


def calls(*ids: str, text: str | None = None) -> AssistantEntry:
    return AssistantEntry(text, tuple(ToolCall(id_, "look", "{}") for id_ in ids))


def result(call_id: str, text: str = "found") -> ToolEntry:
    return ToolEntry(call_id, text)


def system(text: str) -> SystemEntry:
    return SystemEntry(text)


STOP: Deltas = (Finish(FinishReason.STOP), Usage(prompt=3, completion=2))


def words(*texts: str) -> tuple[Deltas, ...]:
    """An answer of one batch a word."""
    return (*((TextDelta(text),) for text in texts), STOP)


def wishes(*ids: str, tool: str = "look") -> tuple[Deltas, ...]:
    """An answer that calls a tool once for each id."""
    return (
        *((ToolCallStart(i, id_, tool), ToolCallArguments(i, "{}")) for i, id_ in enumerate(ids)),
        (Finish(FinishReason.TOOL_CALLS),),
    )


FAULT = TurnFailed.of(FailureKind.UPSTREAM_ERROR, "It broke.")


# Transcripts


def as_sent(*entries: TranscriptEntry) -> list[Sent]:
    return [Sent(entry, f"messages[{i}]") for i, entry in enumerate(entries)]


def planned(transcript: Transcript, plan: Plan) -> tuple[TranscriptEntry, ...]:
    """Return the entries as a plan leaves them."""
    return (*transcript.entries[: plan.keep], *plan.added)


def carry_out(transcript: Transcript, plan: Plan, answer: AssistantEntry) -> None:
    transcript.replace(plan.keep, (*plan.added, answer))


def open_calls(entries: Sequence[TranscriptEntry]) -> list[str]:
    """Walk `entries`, hold them to the invariant, and return the calls that are open at their tail."""
    waiting: list[str] = []
    for entry in entries:
        match entry:
            case ToolEntry(call_id=call_id):
                assert call_id in waiting, f"{call_id} answers no open call in {entries}"
                waiting.remove(call_id)
            case UserEntry() | AssistantEntry():
                assert not waiting, f"{waiting} have no result in {entries}"
                made = entry.tool_calls if isinstance(entry, AssistantEntry) else ()
                waiting = [call.id for call in made]
    return waiting


# A channel


Step = Deltas | float | Exception
"""Give a batch, be silent for some seconds, or raise; silence before the first batch is the opening's."""


SLOW: tuple[Step, ...] = ((TextDelta("One "),), 10.0, *words("two."))
"""An answer of ten seconds."""


class PlayedChannel:
    """Plays the given steps, one sequence a call, the last one again and again."""

    def __init__(self, *plays: Sequence[Step]) -> None:
        self._plays = [list(play) for play in plays] or [list(words("Yes."))]
        self.prompts: list[Prompt] = []
        self.under_way = 0
        self.most_under_way = 0
        self.left: list[float] = []
        self.closed = 0
        self.under_way_at_close = 0

    def open(self, prompt: Prompt) -> "Played":
        self.prompts.append(prompt)
        play = self._plays[0] if len(self._plays) == 1 else self._plays.pop(0)
        return Played(self, play)

    def plays(self, *plays: Sequence[Step]) -> None:
        """Play these next."""
        self._plays = [list(play) for play in plays]

    def heard(self, call: int = -1) -> tuple[Entry, ...]:
        """The entries of a prompt, by default the last one's."""
        return self.prompts[call].entries

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed += 1
        self.under_way_at_close = self.under_way


class Played(Reading):
    """One answer, played."""

    def __init__(self, channel: PlayedChannel, steps: Sequence[Step]) -> None:
        self._channel = channel
        self._steps = list(steps)

    async def __aenter__(self) -> "Played":
        channel = self._channel
        channel.under_way += 1
        channel.most_under_way = max(channel.most_under_way, channel.under_way)
        try:
            while self._steps and not isinstance(self._steps[0], tuple):
                await self._silence_or_fault(self._steps.pop(0))
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    async def __anext__(self) -> Deltas:
        while self._steps:
            step = self._steps.pop(0)
            if isinstance(step, tuple):
                await trio.lowlevel.checkpoint()
                return step
            await self._silence_or_fault(step)
        raise StopAsyncIteration

    async def _silence_or_fault(self, step: Step) -> None:
        if isinstance(step, Exception):
            raise step
        assert isinstance(step, float | int)
        await trio.sleep(step)

    def _leave(self) -> None:
        self._channel.under_way -= 1
        self._channel.left.append(trio.current_time())


# A small house


NO_END = Lifetime()
ANYBODY = Sender()
"""A request that says nothing of itself."""
HERE = Route("here", "m")
"""The model of every stage."""

ALL_TOOLS = ToolPolicy()
FAR = Bounds()

PATIENCE_S = math.inf
"""How long a first word may take."""


def turn_of(
    id_: str,
    *entries: Entry,
    ephemeral: bool = False,
    streamed: bool = True,
    once: bool = False,
    sender: Sender = ANYBODY,
    tools: Sequence[Tool] = (),
) -> TurnRequest:
    return TurnRequest(
        id_,
        HERE,
        entries,
        ephemeral=ephemeral,
        once=once,
        streamed=streamed,
        sender=sender,
        tools=tuple(tools),
    )


def draft_of(prompt: Prompt) -> Draft:
    """A draft that is `prompt` and cannot be made shorter."""
    blank = msgspec.structs.replace(prompt, entries=())
    new = [entry for entry in prompt.entries if not isinstance(entry, SystemEntry)]
    return Draft(
        blank,
        (),
        None,
        measured(()),
        new,
        window=None,
        estimate=Estimate(),
        shortening=Shortening(),
    )


class TheseTools:
    """A host of some tools."""

    def __init__(self, tools: Sequence[InnerTool]) -> None:
        self._tools = tools

    def tools(self) -> Sequence[InnerTool]:
        return self._tools


async def keep_nothing(_: Sequence[TranscriptEntry]) -> None:
    """Have no journal."""


async def ask_nobody(_: ToolCall) -> Errand:
    """Have no person to ask."""
    raise AssertionError


NO_TOOLS = Equipment(
    SessionName("main", "k"), Toolbox(), NO_KIT, Bounds(), keep_nothing, ask_nobody
)


def untimed(event: TurnEvent) -> TurnEvent:
    """An event without the times of its turn, of which no two are the same."""
    match event:
        case TurnStarted():
            return msgspec.structs.replace(event, called=None)
        case TurnEnded():
            return msgspec.structs.replace(event, answered=None)
        case _:
            return event


class Outcome(msgspec.Struct, frozen=True):
    """All that a client saw of a turn."""

    events: tuple[TurnEvent, ...]
    failure: Failure | None

    @property
    def text(self) -> str:
        return "".join(
            delta.text
            for event in self.events
            if isinstance(event, Progress)
            for delta in event.deltas
            if isinstance(delta, TextDelta)
        )

    @property
    def ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], TurnEnded)


class Stage:
    """One agent with one provider."""

    def __init__(
        self, host: Rooms, agent: Ref[AgentMessage], provider: Ref[ProviderMessage]
    ) -> None:
        self.host = host
        self.agent = agent
        self.provider = provider
        self.turns = 0

    def open(
        self,
        key: str,
        *entries: Entry,
        ephemeral: bool = False,
        streamed: bool = True,
        once: bool = False,
        sender: Sender = ANYBODY,
        tools: Sequence[Tool] = (),
    ) -> OpenStream[TurnEvent]:
        """A turn's stream, to be entered."""
        self.turns += 1
        id_ = f"t{self.turns}"
        turn = turn_of(
            id_,
            *entries,
            ephemeral=ephemeral,
            once=once,
            streamed=streamed,
            sender=sender,
            tools=tools,
        )
        sessions = self.host.passing if ephemeral else self.host.sessions
        return sessions.address(key).stream(Submit(turn))

    async def ask(
        self,
        key: str,
        *entries: Entry,
        ephemeral: bool = False,
        streamed: bool = True,
        once: bool = False,
        sender: Sender = ANYBODY,
        tools: Sequence[Tool] = (),
    ) -> Outcome:
        """A whole turn."""
        events: list[TurnEvent] = []
        stream_of = self.open(
            key,
            *entries,
            ephemeral=ephemeral,
            once=once,
            streamed=streamed,
            sender=sender,
            tools=tools,
        )
        try:
            async with stream_of as stream:
                async for event in stream:
                    events.append(untimed(event))  # noqa: PERF401 - those before a failure count, too
        except TurnFailed as failed:
            return Outcome(tuple(events), failed.failure)
        return Outcome(tuple(events), None)

    async def status(self) -> AgentStatus:
        return await self.agent.ask(Describe())


async def has_a_free_permit(provider: Ref[ProviderMessage]) -> bool:
    """Whether a call could begin now."""
    async with provider.stream(Lease("m")) as lease:
        await wait_all_tasks_blocked()
        return lease.receive_nowait() is not None


async def set_stage(
    system: System,
    channel: Channel,
    *,
    instructions: str | None = None,
    time_limit: float = 600,
    waiting_turns: int = 128,
    live_sessions: int = 1000,
    max_concurrent: int = 512,
    max_waiting: int = 1024,
    store: Store | None = None,
    idle: float = 60.0,
    lifetime: Lifetime = NO_END,
    window: int | None = None,
    first_turn: int = 1,
    tools: Sequence[InnerTool] = (),
    kit: Kit | None = None,
    name: str = "",
    policy: ToolPolicy = ALL_TOOLS,
    bounds: Bounds = FAR,
) -> Stage:
    """Start a provider of `channel` and an agent that uses it."""
    settings = ProviderSettings(
        HERE.provider,
        "scripted",
        max_concurrent=max_concurrent,
        max_waiting=max_waiting,
        retry=Retry(times=0),
        cooldown=Cooldown(failures=0),
    )
    provider = await system.spawn(
        Provider(settings, lambda _: channel, Random(1)), f"provider{name}"
    )
    agent = AgentSettings(
        "main",
        str(HERE),
        instructions=instructions,
        time_limit=time_limit,
        tools=policy,
        bounds=bounds,
    )
    windows = {} if window is None else {HERE: window}
    upstreams = Upstreams({HERE.provider: provider}, PATIENCE_S, Random(1), windows)
    limits = SessionLimits(waiting_turns, live_sessions, idle, lifetime)
    terms = terms_of(agent, upstreams, limits, kit or Kit((TheseTools(tools),)))
    rooms = Rooms(terms, Surroundings(store or a_store(), trio.current_time))
    stage = Stage(rooms, await system.spawn(Agent(rooms), f"agent{name}"), provider)
    stage.turns = first_turn - 1
    return stage


class Reader:
    """A client in a task of its own."""

    def __init__(
        self,
        stage: Stage,
        key: str,
        *entries: Entry,
        ephemeral: bool = False,
        streamed: bool = True,
        sender: Sender = ANYBODY,
        tools: Sequence[Tool] = (),
    ) -> None:
        self._tools = tools
        self._stage = stage
        self._streamed = streamed
        self._sender = sender
        self._key = key
        self._entries = entries
        self._ephemeral = ephemeral
        self._scope = trio.CancelScope()
        self.outcome: Outcome | None = None
        self.done_at: float | None = None

    async def read(self) -> None:
        with self._scope:
            self.outcome = await self._stage.ask(
                self._key,
                *self._entries,
                ephemeral=self._ephemeral,
                streamed=self._streamed,
                sender=self._sender,
                tools=self._tools,
            )
        self.done_at = trio.current_time()

    async def join(self, nursery: trio.Nursery) -> "Reader":
        """Come after all who came before."""
        nursery.start_soon(self.read)
        await wait_all_tasks_blocked()
        return self

    def leave(self) -> None:
        self._scope.cancel()

    @property
    def failure(self) -> Failure | None:
        assert self.outcome is not None
        return self.outcome.failure
