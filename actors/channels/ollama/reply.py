"""Reads the answer of Ollama's `/api/chat`: a JSON object a line, the last one `done`.

It gives out what `Channel` promises: text and calls in order, then what the model wants back, one
`Finish` and one `Usage`, or a failure. It knows nothing of sockets or time, the cuts between reads change
nothing, and its memory is bounded. `wire` has the shapes.
"""

from collections.abc import Callable
from contextlib import suppress

import msgspec

from greenroom.actors.channels.call_ids import new_call_id
from greenroom.actors.channels.channel import (
    Delta,
    Deltas,
    Finish,
    FinishReason,
    ReasoningDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)
from greenroom.actors.channels.lines import MAX_SIZE, LineReader, TooLarge
from greenroom.actors.channels.logprobs import logprobs_of
from greenroom.actors.channels.ollama.wire import (
    Call,
    Line,
    Message,
    NotALine,
    arguments_text,
    read_line,
)
from greenroom.actors.channels.think_tags import ThinkTags
from greenroom.actors.channels.upstream_errors import UpstreamErrors
from greenroom.actors.entries import Keepsake
from greenroom.actors.failure import TurnFailed

API = "ollama"
"""The name under which this API's keepsakes go."""

_MOST_CALLS = 1024

_BLANK = b" \t\r\n\xef\xbb\xbf"
"""What may stand before an answer: white space, and the bytes of a byte order mark."""


class _BadCalls(ValueError):  # noqa: N818 - a fact about what came in
    """The tool calls make no sense, or are past the bound."""


_MALFORMED = (NotALine, TooLarge, _BadCalls)


class OllamaDecoder:
    """A `Decoder` of one answer; `errors` words its failures, `new_id` names nameless calls.

    `tells_logprobs` is whether the likelihood of tokens was asked for.
    """

    def __init__(
        self,
        errors: UpstreamErrors,
        new_id: Callable[[], str] = new_call_id,
        *,
        tells_logprobs: bool = False,
    ) -> None:
        self._errors = errors
        self._new_id = new_id
        self._tells_logprobs = tells_logprobs
        self._lines = LineReader()
        self._begun = False
        self._text = ThinkTags()
        self._thinking = _Thinking()
        self._ids: set[str] = set()
        self._calls = 0
        self._reason: FinishReason | None = None
        self._usage = Usage()
        self._answered = False
        self._failure: TurnFailed | None = None
        self._done = False

    @property
    def finished(self) -> bool:
        """Whether the line that is `done` has come."""
        return self._reason is not None

    @property
    def done(self) -> bool:
        """Whether that line has come, or a failure: nothing can follow either."""
        return self._done

    def feed(self, data: bytes) -> Deltas:
        """Return what `data` brings, possibly nothing; a failure waits for `end`."""
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
        out: list[Delta] = []
        if not self._done:
            self._read_rest(out)
        if self._failure is not None:
            raise self._failure
        if self._reason is None:
            what = "ended its answer in the middle" if self._answered else "sent an empty answer"
            raise self._errors.broken(what)
        self._done = True
        out += self._text.end()
        if self._calls and (thoughts := self._thinking.whole()):
            out.append(Keepsake(API, msgspec.json.encode({"thinking": thoughts})))
        out += [Finish(self._reason), self._usage]
        return tuple(out)

    def _read_rest(self, out: list[Delta]) -> None:
        try:
            # What is no line here is half of one.
            with suppress(NotALine):
                self._take(self._lines.end(), out)
        except _BadCalls as error:
            raise self._errors.broken(f"sent {error}") from error

    def _fail(self, failure: TurnFailed, out: list[Delta]) -> None:
        out += self._text.end()
        self._failure = failure
        self._done = True

    def _read(self, data: bytes, out: list[Delta]) -> None:
        if not self._begun:
            data = data.lstrip(_BLANK)
            self._begun = bool(data)
            if data.startswith(b"<"):
                raise self._errors.broken("sent a page that is not its API's")
        for line in self._lines.feed(data):
            if not self._done:
                self._take(line, out)

    def _take(self, data: bytes, out: list[Delta]) -> None:
        data = data.strip()
        # A proxy that keeps connections open writes comments, whatever it carries.
        if not data or data.startswith(b":"):
            return
        line = read_line(data)
        if line.error:
            raise self._errors.of_event(data)
        if self._tells_logprobs and line.logprobs:
            out += logprobs_of(line.logprobs)
        if line.message is not None:
            self._answered = True
            self._take_message(line.message, out)
        if line.done is True:
            self._finish(line)

    def _take_message(self, message: Message, out: list[Delta]) -> None:
        if message.thinking:
            # A server that sends thinking apart sends no tags.
            out += self._text.end()
            out.append(ReasoningDelta(message.thinking))
            self._thinking.add(message.thinking)
        if message.content:
            out += self._text.feed(message.content)
        if message.tool_calls:
            out += self._text.end()
        for call in message.tool_calls or ():
            out += self._take_call(call)

    def _take_call(self, call: Call) -> list[Delta]:
        function = call.function
        if function is None or not function.name:
            raise _BadCalls("a tool call without a name")
        if self._calls == _MOST_CALLS:
            raise _BadCalls(f"more than {_MOST_CALLS} tool calls")
        arguments = arguments_text(function.arguments)
        # Ids count for this answer only; an index may begin anew on each line, so it does not count.
        given = call.id if call.id and call.id not in self._ids else self._new_id()
        self._ids.add(given)
        index, self._calls = self._calls, self._calls + 1
        return [ToolCallStart(index, given, function.name), ToolCallArguments(index, arguments)]

    def _finish(self, line: Line) -> None:
        if line.done_reason == "length":
            self._reason = FinishReason.LENGTH
        else:
            self._reason = FinishReason.TOOL_CALLS if self._calls else FinishReason.STOP
        self._usage = line.usage
        self._done = True


class _Thinking:
    """What a model thought before its calls, which its template may want back; bounded."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0

    def add(self, piece: str) -> None:
        self._size += len(piece)
        if self._size <= MAX_SIZE:
            self._pieces.append(piece)

    def whole(self) -> str:
        """Return it, or nothing where it is past the bound: half of it would mislead the model."""
        return "".join(self._pieces) if self._size <= MAX_SIZE else ""
