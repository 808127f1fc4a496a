"""The log: lines for a person on a terminal, JSON otherwise; nothing process-wide is set up."""

import json
import sys
from contextlib import suppress
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

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def open_log(settings: Logging, to: BinaryIO | None = None) -> "FilteringBoundLogger":
    """Return a logger that writes to `to`, standard error if not given."""
    stream = sys.stderr.buffer if to is None else to
    as_json = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.level == "silent":
        shared.insert(0, _drop)
    if as_json:
        processors: list[Processor] = [
            *shared,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_encode),
        ]
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        processors = [*shared, _without_controls, renderer, _to_bytes]
    logger = structlog.wrap_logger(
        _Lines(stream),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
    )
    return cast("FilteringBoundLogger", logger.bind())


class _Lines(structlog.BytesLogger):
    """Writes lines; when nobody reads them any more, what is logged is lost and nothing else."""

    def msg(self, message: bytes) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = error = err = critical = fatal = failure = exception = msg


def _drop(_: object, __: str, event: "EventDict") -> "EventDict":
    raise structlog.DropEvent


def _without_controls(_: object, __: str, event: "EventDict") -> "EventDict":
    """Escape what would be an order to the terminal; some values are a stranger's."""
    return {
        name: value.translate(_CONTROLS) if isinstance(value, str) else value
        for name, value in event.items()
    }


def _encode(event: object, **_: object) -> bytes:
    try:
        return msgspec.json.encode(event, enc_hook=repr)
    except UnicodeEncodeError:  # half of a surrogate pair, which ASCII can tell
        return json.dumps(event, default=repr).encode()


def _to_bytes(_: object, __: str, line: object) -> bytes:
    return str(line).encode(errors="backslashreplace")
