"""From a file to the configuration: find it, read it, check it, resolve it.

Nothing is read but the one file, and nothing is remembered: the same arguments give the same
result, save for a generated token.
"""

from collections.abc import Mapping
from pathlib import Path

from greenroom.http.config import json5, schema
from greenroom.http.config.check import check
from greenroom.http.config.configuration import Configuration
from greenroom.http.config.errors import ConfigurationError, Problem
from greenroom.http.config.find import find
from greenroom.http.config.findings import Findings
from greenroom.http.config.resolve import resolve

MAX_BYTES = 1024 * 1024
"""The size of a file, at most."""

_EMBEDDED = schema.File(
    gateway=schema.Gateway(
        http=schema.Http(
            endpoints=schema.Endpoints(
                chat_completions=schema.ChatCompletions(enabled=True),
                responses=schema.Responses(enabled=True),
            )
        )
    )
)


def load(
    *,
    path: str | None = None,
    port: int | None = None,
    environ: Mapping[str, str],
    cwd: Path,
    home: Path,
) -> Configuration:
    """Return the configuration; without a file, the embedded default.

    `path` and `port` are what the command line says, `cwd` and `home` the folders of the process
    and of its user. Raises `ConfigurationError` with everything that is wrong, nothing else.
    """
    source = find(path=path, environ=environ, cwd=cwd, home=home)
    if source is None:
        findings, file = Findings(), _EMBEDDED
    else:
        findings, file = _read(source, _name(source, cwd), environ)
    configuration = resolve(file, source, port, environ, home, findings)
    findings.raise_problems()
    return configuration


def _read(source: Path, name: str, environ: Mapping[str, str]) -> tuple[Findings, schema.File]:
    try:
        reading = json5.read(_text(source, name))
    except json5.SyntaxFault as fault:
        raise ConfigurationError((Problem(name, fault.line, "", fault.message),)) from None
    findings = Findings(name, reading.root)
    for repetition in reading.repetitions:
        findings.repeated(repetition.path, repetition.line)
    return findings, check(schema.File, reading.root, environ, findings) or schema.File()


def _text(source: Path, name: str) -> str:
    try:
        with source.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path is not valid"
        raise _unreadable(name, None, f"cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise _unreadable(name, None, f"is larger than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(name, line, "is not UTF-8") from None


def _unreadable(name: str, line: int | None, message: str) -> ConfigurationError:
    return ConfigurationError((Problem(name, line, "", message),))


def _name(source: Path, cwd: Path) -> str:
    shown = source.relative_to(cwd) if source.is_relative_to(cwd) else source
    return str(shown)
