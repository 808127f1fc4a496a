"""The images of a prompt as Ollama takes them: the bytes themselves, as base64.

It fetches nothing: an image that stands at an address is refused. Source: RFC 2397 for data URLs.
"""

import binascii
import re
from urllib.parse import unquote_to_bytes

import msgspec

from greenroom.actors.channels.ollama.refusals import malformed, unsupported
from greenroom.actors.entries import MediaPart

_WHERE = "messages[].content[]"

_DATA_URL = re.compile(r"data:[^,]*?(;base64)?,", re.IGNORECASE)


class _ImageUrl(msgspec.Struct):
    url: str
    detail: str | None = None


class _ImagePart(msgspec.Struct):
    image_url: _ImageUrl


class Image(msgspec.Struct, frozen=True):
    """An image as base64; `detailed` says that the client asked for a level of detail."""

    data: str
    detailed: bool


_part = msgspec.json.Decoder(_ImagePart)


def read_image(part: MediaPart) -> Image:
    """Return the image in `part`; raises `TurnFailed` for what cannot be sent, naming the field."""
    if part.kind != "image_url":
        raise unsupported(
            f"{_WHERE}.{part.kind}",
            f"Ollama's API takes text and images, not parts of type '{part.kind}'.",
        )
    param = f"{_WHERE}.image_url.url"
    try:
        image = _part.decode(part.raw).image_url
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise malformed(param, "An image must be given as `image_url.url`, a data URL.") from None
    head = _DATA_URL.match(image.url)
    if head is None:
        raise unsupported(
            param,
            "Ollama's API fetches no images; send them as data URLs, data:image/…;base64,….",
        )
    payload = image.url[head.end() :]
    if not head[1]:
        encoded = binascii.b2a_base64(unquote_to_bytes(payload), newline=False).decode()
    elif _is_base64(payload := payload if "%" not in payload else _unquoted(payload)):
        encoded = payload
    else:
        raise malformed(param, "The data URL of an image is not valid base64.")
    return Image(encoded, image.detail not in {None, "auto"})


def _unquoted(payload: str) -> str:
    return unquote_to_bytes(payload).decode("ascii", "replace")


def _is_base64(payload: str) -> bool:
    try:
        binascii.a2b_base64(payload, strict_mode=True)
    except ValueError:
        return False
    return True
