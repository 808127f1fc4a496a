"""Which file is the configuration: the first that is named, else the first that is there."""

from collections.abc import Mapping
from pathlib import Path

from greenroom.http.config.errors import ConfigurationError, Problem
from greenroom.http.config.nodes import quote

FILE_NAME = "greenroom.json5"
ARGUMENT = "--config"
VARIABLES = ("GREENROOM_CONFIG", "OPENCLAW_CONFIG_PATH")
"""The variables that name the file, the first that is set before the others."""


def find(
    *, path: str | None = None, environ: Mapping[str, str], cwd: Path, home: Path
) -> Path | None:
    """Return the configuration's file, None if there is none.

    `path` is what the command line names. A file that it or a variable names has to be there, else
    this raises `ConfigurationError`; those in the usual places need not.
    """
    named = [(ARGUMENT, path), *((name, environ.get(name)) for name in VARIABLES)]
    for source, text in named:
        if text:
            file = cwd / expand(text, home)
            if not _exists(file):
                message = f"there is no file {quote(text)}"
                raise ConfigurationError((Problem(None, None, source, message),))
            return file
    usual = (cwd / FILE_NAME, _user_folder(environ, home) / "greenroom" / FILE_NAME)
    return next((file for file in usual if _exists(file)), None)


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except (OSError, ValueError):
        # It cannot be looked at: where it is named, reading it will say why.
        return True


def expand(text: str, home: Path) -> Path:
    """Return the path that `text` is, in which a leading `~` stands for the home folder."""
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    return Path(text)


def _user_folder(environ: Mapping[str, str], home: Path) -> Path:
    # The XDG specification has relative paths ignored.
    folder = Path(environ.get("XDG_CONFIG_HOME", ""))
    return folder if folder.is_absolute() else home / ".config"
