"""Parts of messages and of tools' outputs: from this API's form to entries' parts, and back; pure."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from greenroom.actors.entries import Content, MediaPart, Part, TextPart
from greenroom.http.decode import decode
from greenroom.http.errors import ApiError, invalid, missing
from greenroom.http.responses import requests
from greenroom.http.responses.objects import InputPart, InputText
from greenroom.http.wire import given

_part = msgspec.json.Decoder(requests.Part)
_chat = msgspec.json.Decoder(dict[str, Raw])
_fields = msgspec.json.Decoder(dict[str, object])
_encode = msgspec.json.Encoder().encode

_TEXTS = ("input_text", "output_text", "text", "summary_text")


def read_content(content: str | Sequence[Raw], param: str) -> Content:
    """Translate a content.

    Raises:
        ApiError: 400, naming the part.
    """
    if isinstance(content, str):
        return content
    if not content:
        raise invalid(
            f"Invalid '{param}': empty array. Expected an array with minimum length 1.",
            param,
            "empty_array",
        )
    parts = tuple(_read(raw, f"{param}[{index}]") for index, raw in enumerate(content))
    match parts:
        case (TextPart(text),):
            return text
        case _:
            return parts


def read_answer(content: str | Sequence[Raw], param: str) -> tuple[str | None, str | None]:
    """Return the text and the refusal in an assistant's content.

    Raises:
        ApiError: 400, naming the part.
    """
    if isinstance(content, str):
        return content, None
    texts: list[str] = []
    refusals: list[str] = []
    for index, raw in enumerate(content):
        place = f"{param}[{index}]"
        part = decode(raw, _part, place)
        if part.type == "refusal":
            refusals.append(_needed(part.refusal, f"{place}.refusal"))
        elif part.type in _TEXTS:
            texts.append(_needed(part.text, f"{place}.text"))
        else:
            raise _unknown(part.type, place)
    return "".join(texts) if texts else None, "".join(refusals) or None


def show_content(content: Content) -> tuple[InputPart, ...]:
    """Return a content as an input item has it."""
    if isinstance(content, str):
        return (InputText(text=content),)
    return tuple(
        InputText(text=part.text) if isinstance(part, TextPart) else _shown(part)
        for part in content
    )


def _read(raw: Raw, param: str) -> Part:
    part = decode(raw, _part, param)
    if part.type in _TEXTS:
        return TextPart(_needed(part.text, f"{param}.text"))
    match part.type:
        case "refusal":
            return TextPart(_needed(part.refusal, f"{param}.refusal"))
        case "input_image":
            return _image(part, param)
        case "input_file":
            return _file(part, param)
        case "input_audio" if given(part.input_audio):
            return MediaPart("input_audio", _chat_part(part, "input_audio", part.input_audio))
        case _:
            raise _unknown(part.type, param)


def _image(part: requests.Part, param: str) -> MediaPart:
    if part.file_id is not None:
        raise _no_files(f"{param}.file_id")
    if part.image_url is None or not part.image_url.startswith("data:image/"):
        what = (
            f"Invalid '{param}.image_url'. Images named by URL are not fetched for responses; send it "
            "as a data:image/… URL."
        )
        raise invalid(what, f"{param}.image_url", "unsupported_image_url")
    image: dict[str, object] = {"url": part.image_url}
    if part.detail is not None:
        image["detail"] = part.detail
    return MediaPart("image_url", _chat_part(part, "image_url", image))


def _file(part: requests.Part, param: str) -> MediaPart:
    if part.file_url is not None:
        what = f"`{param}.file_url` is not supported; send the file itself as `file_data`."
        raise invalid(what, f"{param}.file_url", "unsupported_parameter")
    if part.file_data is None and part.file_id is None:
        raise missing(f"{param}.file_data")
    names = ("file_data", "file_id", "filename")
    values = {name: getattr(part, name) for name in names}
    file = {name: value for name, value in values.items() if value is not None}
    return MediaPart("file", _chat_part(part, "file", file))


def _chat_part(part: requests.Part, kind: str, value: object) -> bytes:
    """Return a part as chat completions have it, which is what channels know."""
    wire = {"type": kind, kind: value}
    if given(part.prompt_cache_breakpoint):
        wire["prompt_cache_breakpoint"] = part.prompt_cache_breakpoint
    return _encode(wire)


def _shown(part: MediaPart) -> Raw:
    """Return a chat part as this API has it."""
    fields = _chat.decode(part.raw)
    inner = fields.get(part.kind, Raw(b"null"))
    rest = {name: value for name, value in fields.items() if name not in ("type", part.kind)}
    match part.kind:
        case "image_url":
            image = _fields.decode(inner)
            shown = {"image_url": image.get("url"), "detail": image.get("detail", "auto")}
            return Raw(_encode({"type": "input_image"} | shown | rest))
        case "file":
            return Raw(_encode({"type": "input_file"} | _fields.decode(inner) | rest))
        case "input_audio":
            return Raw(_encode({"type": "input_audio", "input_audio": inner} | rest))


def _needed(text: str | None, param: str) -> str:
    if text is None:
        raise missing(param)
    return text


def _no_files(param: str) -> ApiError:
    what = f"`{param}` is not supported: no files are kept here. Send the image itself."
    return invalid(what, param, "unsupported_parameter")


def _unknown(kind: str, param: str) -> ApiError:
    what = f"Invalid '{param}.type': '{kind}' is not supported here."
    return invalid(what, f"{param}.type", "invalid_value")
