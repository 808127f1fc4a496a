"""What a model is told of a call's result: text as it is, anything else described in brackets. Pure."""

from collections.abc import Sequence
from typing import assert_never

import msgspec
from mcp.types import CallToolResult, ContentBlock, EmbeddedResource, TextResourceContents

from greenroom.actors.tools.tool import ToolFailed


def told(result: CallToolResult) -> str:
    """Return the text of a result.

    Raises:
        ToolFailed: it is an error's.
    """
    text = _joined(result.content)
    if result.is_error:
        raise ToolFailed(text or "the tool failed and did not say why")
    if result.structured_content is not None and not any(
        block.type == "text" and block.text for block in result.content
    ):
        structured = msgspec.json.encode(result.structured_content).decode()
        return f"{text}\n{structured}" if text else structured
    return text


def _joined(content: Sequence[ContentBlock]) -> str:
    return "\n".join(filter(None, map(_shown, content)))


def _shown(block: ContentBlock) -> str:
    match block.type:
        case "text":
            return block.text
        case "image" | "audio":
            return f"[{block.type}: {block.mime_type}, {_size(block.data)} bytes]"
        case "resource_link":
            what = f"{block.name}, {block.uri}"
            return f"[resource: {what}{', ' + block.mime_type if block.mime_type else ''}]"
        case "resource":
            return _embedded(block)
        case never:
            assert_never(never)


def _embedded(block: EmbeddedResource) -> str:
    resource = block.resource
    if isinstance(resource, TextResourceContents):
        return f"[resource: {resource.uri}]\n{resource.text}"
    size = _size(resource.blob)
    return f"[resource: {resource.uri}, {resource.mime_type or 'of no named type'}, {size} bytes]"


def _size(base64: str) -> int:
    """Return how many bytes some base64 stands for."""
    return len(base64.rstrip("=")) * 3 // 4
