"""Reads the answer of OpenAI Chat Completions, and of whatever calls itself compatible with it.

It knows in which ways servers differ, and gives out what `Channel` promises: text and calls in
order, then one `Finish`, then one `Usage`, or a failure. It knows nothing of sockets or time, and the
cuts between reads change nothing. `wire` has the shapes, `choice` the order within a choice.

The end of the answer is held back until the upstream has ended, for some go on after their finish
reason, and some count tokens in every chunk.

Nearly every chunk is the one before it with another content. Such a plain one is compared with a mould,
and taken without a look at any field; or with a frame, and not even parsed.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import cast

import msgspec

from greenroom.actors.channels.answer_reader import AnswerReader, APage
from greenroom.actors.channels.call_ids import new_call_id
from greenroom.actors.channels.channel import (
    ChoiceDelta,
    Delta,
    Deltas,
    FinishReason,
    OfChoice,
    Stamp,
    TextDelta,
    Usage,
)
from greenroom.actors.channels.lines import TooLarge
from greenroom.actors.channels.loose import fields, text
from greenroom.actors.channels.openai.calls import BadCalls
from greenroom.actors.channels.openai.choice import ChoiceReader, GaveUp
from greenroom.actors.channels.openai.frame import NO_FRAME, frame_of
from greenroom.actors.channels.openai.keepsake import Thinking
from greenroom.actors.channels.openai.wire import (
    Choice,
    Chunk,
    Message,
    NotAChunk,
    message_alone,
    read_chunk,
    read_chunks,
    read_usage,
)
from greenroom.actors.channels.sse import Event
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.failure import TurnFailed

_MALFORMED = (NotAChunk, TooLarge, APage, BadCalls)

_TRIES = 4
"""How often the frame of an answer's events is looked for; some have none."""

_NO_STAMP = Stamp()
_NO_FIELDS: dict[str, object] = {}


class OpenAIDecoder:
    """A `Decoder` of one answer of `provider`; `errors` words its failures.

    `new_id` names nameless calls. `choices` is how many answers were asked for, and `tells_logprobs`
    whether the likelihood of tokens was: what comes beyond that is left out.
    """

    __slots__ = (
        "_answer",
        "_between",
        "_done",
        "_errors",
        "_failure",
        "_first",
        "_frame",
        "_mould",
        "_others",
        "_stamp",
        "_stamped",
        "_tells_logprobs",
        "_thinking",
        "_told_stamp",
        "_tries",
        "_usage",
    )

    def __init__(
        self,
        errors: UpstreamErrors,
        new_id: Callable[[], str] = new_call_id,
        *,
        provider: str = "",
        choices: int = 1,
        tells_logprobs: bool = False,
    ) -> None:
        self._errors = errors
        self._answer = AnswerReader()
        self._thinking = Thinking(provider)
        self._first = ChoiceReader(new_id, tells_logprobs=tells_logprobs)
        self._others = {
            index: ChoiceReader(new_id, tells_logprobs=tells_logprobs)
            for index in range(1, choices)
        }
        self._usage: Usage | None = None
        self._stamp = self._told_stamp = _NO_STAMP
        self._stamped: tuple[object, object] = None, None
        self._between = True
        """Whether what comes begins an event."""
        self._tells_logprobs = tells_logprobs
        self._mould = Chunk(), Message()
        """A chunk that brings its content as text and nothing else, and its message; or one of no use."""
        self._frame = NO_FRAME
        """What stands around the content of such chunks, if that is known."""
        self._tries = _TRIES
        self._failure: TurnFailed | None = None
        self._done = False

    @property
    def finished(self) -> bool:
        """Whether every choice has its finish reason."""
        return self._first.reason is not None and all(
            other.reason is not None for other in self._others.values()
        )

    @property
    def done(self) -> bool:
        """Whether `[DONE]` has come, or a failure."""
        return self._done

    def feed(self, data: bytes) -> Deltas:
        """Return what `data` brings, possibly nothing; a failure waits for `end`."""
        if self._between and not self._done and (lone := self._frame.text_of_lone(data)):
            return (TextDelta(lone),)  # 1 us, not 5
        out: list[Delta] = []
        try:
            self._read(data, out)
        except TurnFailed as failure:
            self._fail(failure, out)
        except _MALFORMED as error:
            self._fail(self._errors.broken(f"sent {error}"), out)
        return tuple(out)

    def end(self) -> Deltas:
        """Return the rest; raises `TurnFailed`."""
        if self._failure is not None:
            raise self._failure
        out: list[Delta] = []
        try:
            if not self._done:
                self._read_rest(out)
            self._close(out)
        except _MALFORMED as error:
            raise self._errors.broken(f"sent {error}") from error
        self._done = True
        return tuple(out)

    def _fail(self, failure: TurnFailed, out: list[Delta]) -> None:
        for index, choice in self._choices():
            out += _of(index, choice.flush())
        self._failure = failure
        self._done = True

    def _stamp_from(self, place: int, out: list[Delta]) -> None:
        """Put what is new beside the answer before what it says; alone, that would pass for a word."""
        if len(out) > place and self._stamp != self._told_stamp:
            self._told_stamp = self._stamp
            out.insert(place, self._stamp)

    def _choices(self) -> Iterator[tuple[int, ChoiceReader]]:
        """Yield those that have begun, the first one last, for its end is the answer's."""
        for index, other in self._others.items():
            if other.answered:
                yield index, other
        yield 0, self._first

    def _read(self, data: bytes, out: list[Delta]) -> None:
        if not self._between:
            head, gap, data = data.partition(b"\n\n")
            self._read_events(head + gap, out)
        if data and self._between and not self._done:
            events, data = self._answer.run(data)
            self._take_run(events, out)
        if data:
            self._read_events(data, out)

    def _read_events(self, data: bytes, out: list[Delta]) -> None:
        for event in self._answer.feed(data):
            if not self._done:
                self._take(event, out)
        self._between = self._answer.between

    def _take_run(self, events: list[bytes], out: list[Delta]) -> None:
        place = 0
        while place < len(events) and not self._done:
            if texts := self._frame.texts(events, place):
                out.extend(map(TextDelta, texts))
                place += len(texts)
            else:
                self._take_data(events[place], out)
                place += 1

    def _take_data(self, data: bytes, out: list[Delta]) -> None:
        """Take the data of an event; a plain chunk costs 1.5 us, any other one 4."""
        chunk = read_chunk(data)
        if chunk is None or _is_error(chunk):
            self._take(Event(b"", data), out)
            return
        if content := self._content_of(chunk):
            out.append(TextDelta(content))
        else:
            self._take_chunk(chunk, out)
        if self._frame is NO_FRAME and self._tries:
            self._look_for_frame(data)

    def _content_of(self, chunk: Chunk) -> str:
        """Return the content of a plain chunk, nothing if it is none."""
        mould, message = self._mould
        told = chunk.choices[0].delta if chunk.choices else None
        content = message.content = None if told is None else told.content
        return content if isinstance(content, str) and chunk == mould else ""

    def _look_for_frame(self, data: bytes) -> None:
        content = self._mould[1].content
        if content and isinstance(content, str):
            self._tries -= 1
            self._frame = frame_of(data, content, self._content_in) or NO_FRAME

    def _content_in(self, data: bytes) -> str:
        chunk = read_chunk(data)
        return "" if chunk is None else self._content_of(chunk)

    def _read_rest(self, out: list[Delta]) -> None:
        event = self._answer.end()
        if event is not None and self._answer.whole:
            self._take(event, out)
            for _, choice in self._choices():
                if choice.reason is None and choice.answered:
                    choice.reason = FinishReason.STOP
        elif event is not None:
            # What is no chunk here is half of one.
            with suppress(NotAChunk):
                self._take(event, out)

    def _take(self, event: Event, out: list[Delta]) -> None:
        data = event.data.strip()
        if event.name == b"error":
            raise self._errors.of_event(data)
        if data.startswith(b"[DONE]"):
            self._done = True
        elif data:
            for chunk in read_chunks(data):
                if _is_error(chunk):
                    raise self._errors.of_event(data)
                self._take_chunk(chunk, out)

    def _take_chunk(self, chunk: Chunk, out: list[Delta]) -> None:
        # Most chunks have what the one before them had, and nothing to count.
        stamped = chunk.system_fingerprint, chunk.service_tier
        if stamped != self._stamped:
            self._stamped = stamped
            self._stamp = Stamp(
                text(chunk.system_fingerprint) or self._stamp.fingerprint,
                text(chunk.service_tier) or self._stamp.tier,
            )
        groq = fields(chunk.x_groq) if chunk.x_groq else _NO_FIELDS
        usages = [chunk.usage, groq.get("usage")] if chunk.usage or groq else []
        begun = len(out)
        for choice in chunk.choices or ():
            if choice.index is None or choice.index == 0:
                if choice.usage:
                    usages.append(choice.usage)
                self._take_first(choice, out)
            elif self._others and isinstance(choice.index, int):
                self._take_other(choice.index, choice, out)
        if self._stamp is not self._told_stamp:
            self._stamp_from(begun, out)
        for usage in filter(None, usages):
            self._usage = read_usage(usage) or self._usage
        if error := groq.get("error"):
            said = text(error) or text(fields(error).get("message"))
            raise self._errors.of_event(msgspec.json.encode({"error": said}))
        self._mould = self._mould_of(chunk)
        self._frame = NO_FRAME

    def _mould_of(self, chunk: Chunk) -> tuple[Chunk, Message]:
        """Return what chunks are compared with after one that was taken."""
        if self._first.begun and self._stamp == self._told_stamp:
            message = message_alone(chunk, with_logprobs=self._tells_logprobs)
            if message is not None:
                return chunk, message
        return Chunk(), Message()

    def _take_first(self, choice: Choice, out: list[Delta]) -> None:
        if message := choice.delta or choice.message:
            self._thinking.take(message)
        try:
            self._first.take(choice, out)
        except GaveUp:
            raise self._gave_up() from None

    def _take_other(self, index: int, choice: Choice, out: list[Delta]) -> None:
        other = self._others.get(index)
        if other is not None:
            told: list[Delta] = []
            try:
                other.take(choice, told)
            except GaveUp:
                raise self._gave_up() from None
            out += _of(index, cast("list[ChoiceDelta]", told))

    def _gave_up(self) -> TurnFailed:
        return self._errors.broken("gave up its answer in the middle")

    def _close(self, out: list[Delta]) -> None:
        begun = len(out)
        for index, choice in self._choices():
            if choice.reason is None:
                has_begun = choice.answered or any(o.answered for o in self._others.values())
                what = "ended its answer in the middle" if has_begun else "sent an empty answer"
                raise self._errors.broken(what)
            rest = choice.close()
            if index == 0 and choice.has_calls and (kept := self._thinking.keepsake()):
                finish = rest.pop()
                out += [*rest, kept, finish]
            else:
                out += _of(index, rest)
        self._stamp_from(begun, out)
        if self._usage is not None:
            out.append(self._usage)


def _of(index: int, deltas: list[ChoiceDelta]) -> list[Delta]:
    """Return deltas as those of a choice."""
    return [*deltas] if index == 0 else [OfChoice(index, delta) for delta in deltas]


def _is_error(chunk: Chunk) -> bool:
    """Whether an error stands where a chunk should: in an envelope, or flat."""
    if chunk.error:
        return True
    if chunk.choices is not None:
        return False
    return "error" in {chunk.kind, chunk.type} or bool(chunk.message or chunk.detail)
