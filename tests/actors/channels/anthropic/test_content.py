"""Images and files become the blocks that the API has for them, or are refused by name."""

from base64 import b64encode

import msgspec
import pytest

from greenroom.actors.channels.anthropic.content import Block
from greenroom.actors.entries import (
    AssistantEntry,
    MediaPart,
    TextPart,
    ToolCall,
    ToolEntry,
    UserEntry,
)
from greenroom.actors.failure import FailureKind
from tests.actors.channels.anthropic.conftest import asked, dropped_by, refusal_of
from tests.actors.channels.conftest import Json

PDF = "data:application/pdf;base64,JVBERg=="


def image(url: str | Json, **more: object) -> MediaPart:
    value = {"url": url} if isinstance(url, str) else url
    part = {"type": "image_url", "image_url": value} | more
    return MediaPart("image_url", msgspec.json.encode(part))


def file(**fields: object) -> MediaPart:
    return MediaPart("file", msgspec.json.encode({"type": "file", "file": fields}))


def block_of(part: MediaPart) -> object:
    """Return the one block that a part becomes between two texts."""
    content = (TextPart("a"), part, TextPart("b"))
    messages = asked(entries=(UserEntry(content),))["messages"]
    (message,) = msgspec.convert(messages, list[dict[str, object]])
    first, *blocks, last = msgspec.convert(message["content"], list[Block])
    assert [first["text"], last["text"]] == ["a", "b"]
    return blocks[0] if len(blocks) == 1 else blocks


def based(media_type: str, data: str) -> Json:
    return {"type": "base64", "media_type": media_type, "data": data}


IMAGES: dict[str, tuple[MediaPart, Json]] = {
    "a data url": (image("data:image/png;base64,aGk="), based("image/png", "aGk=")),
    "in capitals": (image("DATA:Image/PNG;Base64,aGk="), based("image/png", "aGk=")),
    "with parameters": (image("data:image/webp;q=1;base64,aGk="), based("image/webp", "aGk=")),
    "under its wrong name": (image("data:image/jpg;base64,aGk="), based("image/jpeg", "aGk=")),
    "not in base64": (image("data:image/gif,%68i"), based("image/gif", "aGk=")),
    "https": (image("https://x/y.png?z"), {"type": "url", "url": "https://x/y.png?z"}),
    "http": (image("HTTP://x/y"), {"type": "url", "url": "HTTP://x/y"}),
}


@pytest.mark.parametrize("form", IMAGES)
def test_an_image_is_given_or_pointed_to(form: str) -> None:
    part, source = IMAGES[form]
    assert block_of(part) == {"type": "image", "source": source}


def document(name: str | None, source: Json) -> Json:
    title: Json = {"title": name} if name else {}
    return {"type": "document", "source": source} | title


def plain(words: str) -> Json:
    return {"type": "text", "media_type": "text/plain", "data": words}


MARKDOWN = "data:text/markdown;charset=utf-8;base64," + b64encode("# é".encode()).decode()
FILES: dict[str, tuple[MediaPart, Json]] = {
    "a pdf": (
        file(file_data=PDF, filename="a.pdf"),
        document("a.pdf", based("application/pdf", "JVBERg==")),
    ),
    "a pdf without a name": (
        file(file_data=PDF),
        document(None, based("application/pdf", "JVBERg==")),
    ),
    "a pdf by its name": (
        file(file_data="data:application/octet-stream;base64,JVBERg==", filename="A.PDF"),
        document("A.PDF", based("application/pdf", "JVBERg==")),
    ),
    "a pdf without a head": (
        file(file_data="JVBERg==", filename="a.pdf"),
        document("a.pdf", based("application/pdf", "JVBERg==")),
    ),
    "text": (file(file_data="data:text/plain,a%20b"), document(None, plain("a b"))),
    "markdown": (file(file_data=MARKDOWN, filename="é.md"), document("é.md", plain("# é"))),
    "json": (file(file_data="data:application/json,[1]"), document(None, plain("[1]"))),
    "an image": (
        file(file_data="data:image/png;base64,aGk=", filename="a.png"),
        {"type": "image", "source": based("image/png", "aGk=")},
    ),
}


@pytest.mark.parametrize("form", FILES)
def test_a_file_is_a_document_or_an_image(form: str) -> None:
    part, block = FILES[form]
    assert block_of(part) == block


def test_a_file_with_nothing_to_read_is_left_out() -> None:
    assert block_of(file(file_data="data:text/plain,")) == []


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        (MediaPart("input_audio", b'{"input_audio": {"data": "", "format": "wav"}}'), "sound"),
        (file(file_id="file-1"), "file_id"),
        (file(file_data="data:application/zip;base64,aGk="), "application/zip"),
        (file(file_data="aGk="), "application/octet-stream"),
        (file(file_data="data:text/plain;base64,a"), "UTF-8"),
        (file(file_data="data:text/plain;base64,/w=="), "UTF-8"),
        (image("ftp://x"), "http(s)"),
        (image("data:image/png"), "http(s)"),
        (image({}), "http(s)"),
        (MediaPart("image_url", b"no json"), "http(s)"),
    ],
)
def test_what_the_api_cannot_read_is_refused(part: MediaPart, complaint: str) -> None:
    failure = refusal_of(entries=(UserEntry((TextPart("a"), part)),))
    assert (failure.kind, failure.param) == (FailureKind.INVALID_REQUEST, "messages")
    assert complaint in failure.message


def test_a_clients_mark_for_the_cache_is_passed_on() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    block = msgspec.convert(block_of(image("https://x/y.png", cache_control=mark)), Json)
    assert block["cache_control"] == mark


def test_hints_without_a_place_are_dropped() -> None:
    plain_ones = (image({"url": "https://x", "detail": "auto"}), image({"url": "https://x"}))
    assert dropped_by(entries=(UserEntry(plain_ones),)) == ()
    hints = (
        image({"url": "https://x", "detail": "low"}),
        image("https://y", prompt_cache_breakpoint={"mode": "explicit"}),
    )
    assert dropped_by(entries=(UserEntry(hints),)) == (
        "messages[].content[].image_url.detail",
        "messages[].content[].prompt_cache_breakpoint",
    )


def test_results_have_images_too() -> None:
    call = AssistantEntry(None, (ToolCall("c", "f", "{}"),))
    content = (TextPart("see"), image("https://x/y.png"))
    body = asked(entries=(UserEntry("a"), call, ToolEntry("c", content)))
    blocks = msgspec.to_builtins(body["messages"])[-1]["content"]
    assert blocks[0]["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
    ]
