"""Where an upstream is called and how it is told who we are: what adapters over HTTP have in common.

It knows the settings and no wire format. Secrets leave it in headers, and for redaction, alone.
"""

from urllib.parse import urlsplit, urlunsplit

from greenroom.actors.settings import ProviderSettings


def endpoint(base_url: str, path: str) -> str:
    """Return the address to post to; a query, as Azure's `api-version`, stays where it belongs."""
    parts = urlsplit(base_url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}"))


def identity(settings: ProviderSettings) -> dict[str, str]:
    """Return the headers that say who we are, names in lower case.

    The key goes as a bearer token; the settings' own headers win, for upstreams that take it elsewhere.
    """
    ours = {}
    if settings.api_key is not None and (key := settings.api_key.reveal()):
        ours = {"authorization": f"Bearer {key}"}
    return ours | {name.lower(): value for name, value in settings.headers.items()}


def secrets(settings: ProviderSettings) -> list[str]:
    """Return what an upstream may quote and nobody else may read: the key, and headers' values."""
    key = settings.api_key.reveal() if settings.api_key else ""
    # A header's last word is the key itself where a scheme stands before it.
    return [key] + [
        word for value in settings.headers.values() for word in (value, value.split(" ")[-1])
    ]
