"""A turn's prompt while it can still be made shorter: pure, and the same for the same entries.

It knows the parts that a prompt is made of, and which of them may be summed up: what the journal has, and
never what the turn itself brings. Making the summary is the run's work.
"""

from collections.abc import Sequence
from functools import cached_property

import msgspec

from greenroom.actors.entries import (
    Entry,
    Prompt,
    Sampling,
    SummaryEntry,
    SystemEntry,
    Tool,
    ToolChoice,
    TranscriptEntry,
    UserEntry,
)
from greenroom.actors.transcript import Sent
from greenroom.actors.turn import TurnRequest
from greenroom.actors.window import (
    Cut,
    Estimate,
    Measured,
    as_text,
    find_cut,
    measured,
    newest_of,
    size_of,
    with_short_results,
)

TOLD = "What was said in this conversation before, in short:\n\n"
"""What a model is told before a summary."""

_AS_IT_LIKES = Sampling()

_SAFE_CHARACTERS = 3
"""Characters for a token, where a text has to fit whatever it is."""

_ORDER = (
    "Sum up the conversation below for an assistant that is to go on with it and will not see it. Keep "
    "names, numbers, decisions, open questions, and what the user wants and prefers. Write prose of at "
    "most 500 words, and nothing but the summary.\n\n"
)


class Shortening(msgspec.Struct, frozen=True):
    """When and how far prompts are made shorter, as shares of a model's window, and at what price.

    Past `at` of the window the oldest entries are summed up until `keep` of it is left; a tool result may
    take `result` of it, and what is pinned `pinned`. A summary may take `seconds`, and have `tokens`, of
    which some models spend most on thinking.
    """

    at: float = 0.8
    keep: float = 0.4
    result: float = 0.25
    pinned: float = 0.2
    seconds: float = 45.0
    tokens: int = 4096


class Draft:
    """The prompt of one turn; `window` is its model's, in tokens, None if nobody knows it.

    `blank` has all of the prompt but its entries. Of these, `instructions` come first; `summary` stands
    for what was summed up before; `old` are the journal's, `new` what the turn brings, and `steps` what
    it has said and done since. A `whole` prompt is not to be made shorter.
    """

    def __init__(
        self,
        blank: Prompt,
        instructions: Sequence[SystemEntry],
        summary: SummaryEntry | None,
        old: Measured,
        new: Sequence[TranscriptEntry],
        steps: Sequence[TranscriptEntry] = (),
        *,
        window: int | None,
        estimate: Estimate,
        shortening: Shortening,
        whole: bool = False,
    ) -> None:
        self._blank = blank
        self._instructions = instructions
        self._summary = summary
        self._old = old
        self._new = new
        self._steps = tuple(steps)
        self._window = window
        self._estimate = estimate
        self._whole = whole
        self.shortening = shortening

    def prompt(self) -> Prompt:
        """Return the prompt as it is now."""
        entries: tuple[Entry, ...] = (
            *self._instructions,
            *told(self._summary),
            *self._old.entries,
            *self._new,
            *self._steps,
        )
        if self._has_long_results:
            entries = with_short_results(entries, self._estimate, self._longest_result)
        return msgspec.structs.replace(self._blank, entries=tuple(map(_as_shown, entries)))

    def size(self) -> int:
        """Return about how many tokens it takes."""
        if self._has_long_results:
            prompt = self.prompt()
            return self._estimate.of(prompt.entries, prompt.tools)
        return self._estimate.scaled(self._old.size + self._fixed_size)

    def due(self) -> Cut | None:
        """Return what to sum up because the prompt is about to outgrow its window, if it is."""
        if self._window is None or self._whole or self.size() <= self._window * self.shortening.at:
            return None
        return self._cut(self._window * self.shortening.keep)

    def forced(self) -> Cut | None:
        """Return what to sum up because the model has found the prompt too long."""
        return self._cut(self.size() * self.shortening.keep)

    def matter(self, cut: Cut) -> Prompt:
        """Return the prompt that asks for a summary of what is cut."""
        told_before: list[SummaryEntry | TranscriptEntry] = []
        if self._summary is not None:
            gone = self.unpinned(cut)
            told_before = [self._summary, *self._summary.pinned[:gone]]
        before = as_text(told_before) + "\n\n" if told_before else ""
        text = as_text(self._old.entries[: cut.upto])
        tokens = self.shortening.tokens
        if self._window is not None:
            # What is summed up has to fit as well; of too much the oldest goes.
            most = round(self._window * self.shortening.at)
            tokens = max(1, min(tokens, self._window - most))
            text = text[-max(most * _SAFE_CHARACTERS - len(before), 1) :]
        sampling = msgspec.structs.replace(
            self._blank.sampling, max_tokens=tokens, stop=(), choices=1, top_logprobs=None
        )
        return Prompt(self._blank.model, (UserEntry(_ORDER + before + text),), sampling=sampling)

    def with_summary(self, cut: Cut, text: str | None) -> "Draft":
        """Return the draft in which `text` stands for what is cut; None tells nothing of it."""
        return Draft(
            self._blank,
            self._instructions,
            SummaryEntry(text, self._pinned(cut)),
            measured(self._old.entries[cut.upto :]),
            self._new,
            self._steps,
            window=self._window,
            estimate=self._estimate,
            shortening=self.shortening,
        )

    def going_on(
        self,
        steps: Sequence[TranscriptEntry],
        tools: Sequence[Tool],
        choice: ToolChoice | None,
    ) -> "Draft":
        """Return the draft of the prompt behind these `steps` of the turn, and with these tools."""
        return Draft(
            msgspec.structs.replace(self._blank, tools=tuple(tools), tool_choice=choice),
            self._instructions,
            self._summary,
            self._old,
            self._new,
            steps,
            window=self._window,
            estimate=self._estimate,
            shortening=self.shortening,
            whole=self._whole,
        )

    def unpinned(self, cut: Cut) -> int:
        """Return how many pinned entries are too many, so that the oldest are summed up like others."""
        return len(self._pins(cut)) - len(self._pinned(cut))

    @property
    def summary(self) -> SummaryEntry | None:
        """What stands for the entries before."""
        return self._summary

    def _cut(self, keep: float) -> Cut | None:
        """Cut so that the whole takes about `keep` tokens, if that can be."""
        if self._whole:
            return None
        left = round(keep) - self._estimate.scaled(self._fixed_size)
        return find_cut(self._old.entries, self._estimate, max(left, 0))

    def _pins(self, cut: Cut) -> tuple[UserEntry, ...]:
        return (*(self._summary.pinned if self._summary is not None else ()), *cut.pinned)

    def _pinned(self, cut: Cut) -> tuple[UserEntry, ...]:
        """Return what stays as it is of what is pinned: what is newest, within its share."""
        window = self.size() if self._window is None else self._window
        most = round(window * self.shortening.pinned)
        return newest_of(self._pins(cut), self._estimate, most)

    # Of one draft these never change, and a turn asks for each more than once.

    @cached_property
    def _fixed_size(self) -> float:
        """How long all is that cannot be cut."""
        fixed = (*self._instructions, *told(self._summary), *self._new, *self._steps)
        return size_of(fixed, self._blank.tools)

    @property
    def _longest_result(self) -> int:
        """How many tokens a tool's result may take, where the window is known."""
        return round((self._window or 0) * self.shortening.result)

    @cached_property
    def _has_long_results(self) -> bool:
        """Whether a tool's result may be longer than that."""
        if self._window is None or self._whole:
            return False
        longest = max(self._old.longest_result, measured((*self._new, *self._steps)).longest_result)
        return self._estimate.scaled(longest) > self._longest_result


def blank_of(turn: TurnRequest, sampling: Sampling = _AS_IT_LIKES) -> Prompt:
    """Return all of a turn's prompt but its entries; `sampling` is what it has if it says nothing."""
    return Prompt(
        model=turn.route.model,
        entries=(),
        tools=turn.tools,
        tool_choice=turn.tool_choice,
        parallel_tool_calls=turn.parallel_tool_calls,
        sampling=_filled(turn.sampling, sampling),
        extra=turn.extra,
    )


def _filled(asked: Sampling, default: Sampling) -> Sampling:
    """Return what is asked, and where that leaves something open, the default."""
    if default == _AS_IT_LIKES:
        return asked
    silent = {
        field: getattr(default, field)
        for field in Sampling.__struct_fields__
        if getattr(asked, field) == getattr(_AS_IT_LIKES, field)
    }
    return msgspec.structs.replace(asked, **silent)


def told(summary: SummaryEntry | None) -> tuple[Entry, ...]:
    """Return a summary as a model is shown it."""
    if summary is None:
        return ()
    text = () if summary.text is None else (SystemEntry(TOLD + summary.text),)
    return (*text, *summary.pinned)


def split(
    entries: Sequence[Entry], places: Sequence[str] = ()
) -> tuple[list[SystemEntry], list[Sent]]:
    """Tell the instructions that a turn brings from what belongs into the transcript.

    `places` says where each entry stood in its request; without it they were its messages.
    """
    told_first: list[SystemEntry] = []
    sent: list[Sent] = []
    for index, entry in enumerate(entries):
        if isinstance(entry, SystemEntry):
            told_first.append(entry)
        else:
            sent.append(Sent(entry, places[index] if places else f"messages[{index}]"))
    return told_first, sent


def _as_shown(entry: Entry) -> Entry:
    """Return an entry as a model is shown it: what instructs is the system's there."""
    if isinstance(entry, UserEntry) and entry.role != "user":
        return SystemEntry(entry.content)
    return entry
