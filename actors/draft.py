"""A turn's prompt while it can still be made shorter: pure, and the same for the same entries.

It knows the parts that a prompt is made of, and which of them may be summed up: what the journal has, and
never what the turn itself brings. Making the summary is the run's work.
"""

from collections.abc import Sequence

import msgspec

from greenroom.actors.entries import (
    Entry,
    Prompt,
    SummaryEntry,
    SystemEntry,
    TranscriptEntry,
    UserEntry,
)
from greenroom.actors.transcript import Sent
from greenroom.actors.window import Cut, Estimate, as_text, find_cut, with_short_results

_TOLD = "What was said in this conversation before, in short:\n\n"

_SAFE_CHARACTERS = 3
"""Characters for a token, where a text has to fit whatever it is."""

_ORDER = (
    "Sum up the conversation below for an assistant that is to go on with it and will not see it. Keep "
    "names, numbers, decisions, open questions, and what the user wants and prefers. Write prose, and "
    "nothing but the summary.\n\n"
)


class Shortening(msgspec.Struct, frozen=True):
    """When and how far prompts are made shorter, as shares of a model's window, and at what price.

    Past `at` of the window the oldest entries are summed up until `keep` of it is left; a tool result may
    take `result` of it. A summary may take `seconds`, and have `tokens`.
    """

    at: float = 0.8
    keep: float = 0.4
    result: float = 0.25
    seconds: float = 45.0
    tokens: int = 1024


class Draft:
    """The prompt of one turn; `window` is its model's, in tokens, None if nobody knows it.

    `blank` has all of the prompt but its entries. Of these, `instructions` come first; `summary` stands
    for what was summed up before; `old` are the journal's, and `new` the turn's own.
    """

    def __init__(
        self,
        blank: Prompt,
        instructions: Sequence[SystemEntry],
        summary: SummaryEntry | None,
        old: Sequence[TranscriptEntry],
        new: Sequence[TranscriptEntry],
        *,
        window: int | None,
        estimate: Estimate,
        shortening: Shortening,
    ) -> None:
        self._blank = blank
        self._instructions = instructions
        self._summary = summary
        self._old = old
        self._new = new
        self._window = window
        self._estimate = estimate
        self.shortening = shortening

    def prompt(self) -> Prompt:
        """Return the prompt as it is now."""
        entries: tuple[Entry, ...] = (
            *self._instructions,
            *told(self._summary),
            *self._old,
            *self._new,
        )
        if self._window is not None:
            most = round(self._window * self.shortening.result)
            entries = with_short_results(entries, self._estimate, most)
        return msgspec.structs.replace(self._blank, entries=entries)

    def size(self) -> int:
        """Return about how many tokens it takes."""
        prompt = self.prompt()
        return self._estimate.of(prompt.entries, prompt.tools)

    def due(self) -> Cut | None:
        """Return what to sum up because the prompt is about to outgrow its window, if it is."""
        if self._window is None or self.size() <= self._window * self.shortening.at:
            return None
        return self._cut(self._window * self.shortening.keep)

    def forced(self) -> Cut | None:
        """Return what to sum up because the model has found the prompt too long."""
        return self._cut(self.size() * self.shortening.keep)

    def matter(self, cut: Cut) -> Prompt:
        """Return the prompt that asks for a summary of what is cut."""
        before = "" if self._summary is None else as_text([self._summary]) + "\n\n"
        text = as_text(self._old[: cut.upto])
        if self._window is not None:
            # What is summed up has to fit as well; of too much the oldest goes.
            most = round(self._window * self.shortening.at * _SAFE_CHARACTERS) - len(before)
            text = text[-max(most, 1) :]
        sampling = msgspec.structs.replace(
            self._blank.sampling,
            max_tokens=self.shortening.tokens,
            stop=(),
            choices=1,
            top_logprobs=None,
        )
        return Prompt(self._blank.model, (UserEntry(_ORDER + before + text),), sampling=sampling)

    def with_summary(self, cut: Cut, text: str | None) -> "Draft":
        """Return the draft in which `text` stands for what is cut; None tells nothing of it."""
        pinned = (*(self._summary.pinned if self._summary is not None else ()), *cut.pinned)
        return Draft(
            self._blank,
            self._instructions,
            SummaryEntry(text, pinned),
            self._old[cut.upto :],
            self._new,
            window=self._window,
            estimate=self._estimate,
            shortening=self.shortening,
        )

    @property
    def summary(self) -> SummaryEntry | None:
        """What stands for the entries before."""
        return self._summary

    def _cut(self, keep: float) -> Cut | None:
        """Cut so that the whole takes about `keep` tokens, if that can be."""
        fixed = (*self._instructions, *told(self._summary), *self._new)
        left = round(keep) - self._estimate.of(fixed, self._blank.tools)
        return find_cut(self._old, self._estimate, max(left, 0))


def told(summary: SummaryEntry | None) -> tuple[Entry, ...]:
    """Return a summary as a model is shown it."""
    if summary is None:
        return ()
    text = () if summary.text is None else (SystemEntry(_TOLD + summary.text),)
    return (*text, *summary.pinned)


def split(
    instructions: str | None, entries: Sequence[Entry]
) -> tuple[list[SystemEntry], list[Sent]]:
    """Tell the instructions of a turn, its agent's first, from what belongs into the transcript."""
    told_first = [] if instructions is None else [SystemEntry(instructions)]
    sent: list[Sent] = []
    for index, entry in enumerate(entries):
        if isinstance(entry, SystemEntry):
            told_first.append(entry)
        else:
            sent.append(Sent(entry, f"messages[{index}]"))
    return told_first, sent
