"""Addresses of upstreams: whether one can be used, and how Ollama's own variable writes its. Pure."""

from urllib.parse import urlsplit

_URL_RULE = 'expected an http or https URL with a host, such as "https://api.openai.com/v1"'
_OLLAMA_PORT = 11434
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is listened on, not what we do


def url_fault(url: str) -> str | None:
    """Say what makes `url` no base URL, None if nothing does."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return _URL_RULE
    if not usable or not url.isprintable() or " " in url:
        return _URL_RULE
    if parts.username is not None or parts.password is not None:
        return "must not hold credentials; use apiKey or headers"
    if parts.query or parts.fragment:
        return "must end with its path, without ? and #"
    return None


def ollama_url(host: str) -> str:
    """Return the URL that `OLLAMA_HOST` means: a host, a port, both, or a URL.

    Its server reads the same variable for what it listens on, so an address that stands for all of
    them is reached by loopback. Source: the "envconfig" of Ollama's server.
    """
    scheme, _, rest = host.rpartition("://")
    scheme = scheme or "http"
    authority, slash, path = rest.partition("/")
    try:
        parts = urlsplit(f"//{authority}")
        name, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        return host
    if parts.username is not None or parts.query or parts.fragment:
        return host
    name = _EVERY_ADDRESS.get(name, name)
    shown = f"[{name}]" if ":" in name else name
    default = {"http": 80, "https": 443}.get(scheme) if "://" in host else _OLLAMA_PORT
    return f"{scheme}://{shown}:{port or default}{slash}{path}"
