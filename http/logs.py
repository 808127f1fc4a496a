"""The log: lines for a person on a terminal, JSON otherwise; nothing process-wide is set up."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec
import structlog

from greenroom.http.config import Logging

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor

_LEVELS = {
    "silent": 50,
    "fatal": 50,
    "error": 40,
    "warn": 30,
    "info": 20,
    "debug": 10,
    "trace": 10,
}

_encoder = msgspec.json.Encoder(enc_hook=repr)
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def open_log(settings: Logging, to: BinaryIO | None = None) -> "FilteringBoundLogger":
    """Return a logger that writes to `to`, standard error if not given."""
    stream = sys.stderr.buffer if to is None else to
    as_json = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
    processors: list[Processor] = [_drop] if settings.level == "silent" else []
    if as_json:
        processors.append(_json_line)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        stamped = structlog.processors.TimeStamper(fmt="iso", utc=True)
        level = structlog.processors.add_log_level
        processors += [level, stamped, _without_controls, renderer, _to_bytes]
    logger = structlog.wrap_logger(
        _Lines(stream),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
    )
    return cast("FilteringBoundLogger", logger.bind())


class _Lines(structlog.BytesLogger):
    """Writes lines; when nobody reads them any more, what is logged is lost and nothing else."""

    def msg(self, message: bytes) -> None:
        try:
            super().msg(message)
        except OSError:
            return

    log = debug = info = warn = warning = error = err = critical = fatal = failure = exception = msg


def _drop(_: object, __: str, event: "EventDict") -> "EventDict":
    raise structlog.DropEvent


def _without_controls(_: object, __: str, event: "EventDict") -> "EventDict":
    """Escape what would be an order to the terminal; some values are a stranger's."""
    return {
        name: value.translate(_CONTROLS) if isinstance(value, str) else value
        for name, value in event.items()
    }


def _json_line(logger: object, name: str, event: "EventDict") -> bytes:
    """Return a line as JSON, with its level and time; one step, not structlog's four: 5 µs less."""
    event["level"] = name
    event["timestamp"] = datetime.now(UTC).isoformat()[:-6] + "Z"
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, name, event)
    try:
        return _encoder.encode(event)
    except UnicodeEncodeError:  # half of a surrogate pair, which ASCII can tell
        return json.dumps(event, default=repr).encode()


def _to_bytes(_: object, __: str, line: object) -> bytes:
    return str(line).encode(errors="backslashreplace")
