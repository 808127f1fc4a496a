"""Where sessions are stored: the file that is named, else one in the user's folder of state."""

from collections.abc import Mapping
from pathlib import Path

from greenroom.http.config import schema
from greenroom.http.config.find import expand
from greenroom.http.config.findings import Findings

FILE_NAME = "greenroom.db"
FOLDER_VARIABLE = "XDG_STATE_HOME"

_PATH = ("store", "path")


def resolve_store(
    store: schema.Store,
    source: Path | None,
    environ: Mapping[str, str],
    home: Path,
    findings: Findings,
) -> Path | None:
    """Return the store's file; None, for memory, where there is no configuration file `source`."""
    if source is None:
        return None
    if store.path is None:
        return _user_folder(environ, home) / "greenroom" / FILE_NAME
    if "\0" in store.path:
        findings.problem(_PATH, "is no path: it has a character that none has")
    return source.parent / expand(store.path, home)


def _user_folder(environ: Mapping[str, str], home: Path) -> Path:
    # The XDG specification has relative paths ignored.
    folder = Path(environ.get(FOLDER_VARIABLE, ""))
    return folder if folder.is_absolute() else home / ".local" / "state"
