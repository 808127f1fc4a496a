"""The content of an entry as blocks of the Messages API, pure.

It knows what stands in OpenAI's content parts and in data URLs. A block of white space alone is left
out, for the API refuses the whole request for one. What the API cannot read is refused by name:
sound, and files that only their own API holds. Source: platform.claude.com, API reference, "Create a
Message"; RFC 2397 for data URLs.
"""

import binascii
from urllib.parse import unquote_to_bytes

import msgspec

from greenroom.actors.channels.anthropic.fields import Fields, parsed, refused
from greenroom.actors.channels.loose import fields, text
from greenroom.actors.entries import Content, MediaPart, TextPart

Block = dict[str, object]

_PDF = "application/pdf"

_READ_AS_TEXT = frozenset({"application/json", "application/xml", "application/yaml"})
"""Types beside text/* whose bytes are text, which a document can be."""

_ALIASES = {"image/jpg": "image/jpeg"}


def content_blocks(content: Content, request: Fields) -> list[Block]:
    """Return a content's blocks, possibly none; raises `TurnFailed` for what has no block."""
    parts = (TextPart(content),) if isinstance(content, str) else content
    blocks: list[Block] = []
    for part in parts:
        if isinstance(part, TextPart):
            blocks += text_blocks(part.text)
        else:
            blocks += _media_blocks(part, request)
    return blocks


def text_blocks(words: str) -> list[Block]:
    """Return the block of a text, or none if there is nothing to read in it."""
    return [{"type": "text", "text": words}] if words.strip() else []


def _media_blocks(part: MediaPart, request: Fields) -> list[Block]:
    raw = fields(parsed(part.raw))
    if part.kind == "input_audio":
        raise refused("messages", "The Anthropic Messages API takes no sound (`input_audio`).")
    is_image = part.kind == "image_url"
    blocks = [_image(raw, request)] if is_image else _file(fields(raw.get("file")))
    if cache := fields(raw.get("cache_control")):
        blocks = [block | {"cache_control": cache} for block in blocks]
    if raw.get("prompt_cache_breakpoint") is not None:
        request.drop("messages[].content[].prompt_cache_breakpoint")
    return blocks


def _image(raw: Block, request: Fields) -> Block:
    image = fields(raw.get("image_url"))
    if image.get("detail") not in {None, "auto"}:
        request.drop("messages[].content[].image_url.detail")
    url = text(image.get("url"))
    if (data := _data_of(url)) is not None:
        return _image_block(data)
    if url[:8].lower().startswith(("https://", "http://")):
        return {"type": "image", "source": {"type": "url", "url": url}}
    raise refused(
        "messages", "An `image_url` must be a data URL or an http(s) URL.", "invalid_value"
    )


def _file(file: Block) -> list[Block]:
    name, sent = text(file.get("filename")), text(file.get("file_data"))
    if not sent:
        raise refused(
            "messages",
            "The Anthropic Messages API does not know files of other providers (`file_id`); "
            "give the file itself as `file_data`.",
        )
    data = _data_of(sent)
    if data is None or data.media_type == "application/octet-stream":
        # Some clients leave the type, or the whole head of the URL, to the file's name.
        media_type = _PDF if name.lower().endswith(".pdf") else "application/octet-stream"
        data = _Data(media_type, data.base64 if data else sent)
    if data.media_type == _PDF:
        return [_document(name, {"type": "base64", "media_type": _PDF, "data": data.base64})]
    if data.media_type.startswith("image/"):
        return [_image_block(data)]
    if data.media_type.startswith("text/") or data.media_type in _READ_AS_TEXT:
        words = _decoded(data)
        source: Block = {"type": "text", "media_type": "text/plain", "data": words}
        return [_document(name, source)] if words.strip() else []
    raise refused(
        "messages",
        f"The Anthropic Messages API takes PDF, images and text as `file_data`, "
        f"not '{data.media_type}'.",
    )


def _document(name: str, source: Block) -> Block:
    block: Block = {"type": "document", "source": source}
    return block | {"title": name} if name.strip() else block


class _Data(msgspec.Struct, frozen=True):
    """What a data URL holds; `media_type` is in lower case."""

    media_type: str
    base64: str


def _image_block(data: _Data) -> Block:
    media_type = _ALIASES.get(data.media_type, data.media_type)
    source: Block = {"type": "base64", "media_type": media_type, "data": data.base64}
    return {"type": "image", "source": source}


def _data_of(url: str) -> _Data | None:
    """Return what a data URL holds, or None if it is none."""
    if url[:5].lower() != "data:":
        return None
    head, comma, payload = url[5:].partition(",")
    if not comma:
        return None
    media_type, *parameters = (word.strip().lower() for word in head.split(";"))
    if "base64" not in parameters:
        payload = binascii.b2a_base64(unquote_to_bytes(payload), newline=False).decode()
    return _Data(media_type or "text/plain", payload)


def _decoded(data: _Data) -> str:
    try:
        return binascii.a2b_base64(data.base64).decode("utf-8-sig")
    except ValueError as error:
        raise refused(
            "messages",
            f"A file of type '{data.media_type}' is no base64 of UTF-8.",
            "invalid_value",
        ) from error
