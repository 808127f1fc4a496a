"""A file that holds one secret, and nothing else: what `tokenFile` and `passwordFile` name."""

from pathlib import Path

from greenroom.actors.settings import Secret

_MOST_BYTES = 4096


class NoSecret(Exception):  # noqa: N818 - a fact about the file
    """The file holds no secret that can be used; the text says why, and never what it holds."""


def read_secret(file: Path) -> Secret:
    """Return the secret, without the white space around it.

    Raises:
        NoSecret: there is none that can be used.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path is not valid"
        raise NoSecret(f"{file} cannot be read: {reason}") from None
    if len(content) > _MOST_BYTES:
        raise NoSecret(f"{file} is larger than {_MOST_BYTES} bytes, too large for a secret")
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        raise NoSecret(f"{file} is not UTF-8") from None
    if not text:
        raise NoSecret(f"{file} is empty")
    if not text.isprintable():
        raise NoSecret(f"{file} holds more than one line, or control characters")
    return Secret(text)
