"""What several commands have in common: the configuration, and the gateway's address."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

from greenroom.http.config import Configuration, load

CONFIG_HELP = "Configuration file; default: $GREENROOM_CONFIG, then ./greenroom.json5, …"
STORE_HELP = "The file that sessions are kept in; default: the configuration's."


def http_url(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Check an option that is the URL of a gateway."""
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise click.BadParameter("expected a URL like http://127.0.0.1:18789.")
    return value


def load_configuration(
    path: str | None, port: int | None = None, store: str | None = None
) -> Configuration:
    """Read the configuration; `store` goes before what it says. Raises `ConfigurationError`."""
    configuration = load(path=path, port=port, environ=os.environ, cwd=Path.cwd(), home=Path.home())
    if store is None:
        return configuration
    return msgspec.structs.replace(configuration, store=Path(store).expanduser().absolute())
