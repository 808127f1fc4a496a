"""What every part of the file's shape is made of: an object, and values within their bounds."""

from typing import Annotated, ClassVar, Literal

import msgspec

Api = Literal["openai-completions", "anthropic-messages", "ollama", "scripted"]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Count = Annotated[int, msgspec.Meta(ge=1)]
CountFromZero = Annotated[int, msgspec.Meta(ge=0)]
Bytes = Annotated[int, msgspec.Meta(ge=1024, le=1024**3)]
HeadBytes = Annotated[int, msgspec.Meta(ge=1024, le=1024**2)]
Depth = Annotated[int, msgspec.Meta(ge=1, le=256)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
SecondsOrForever = Annotated[float, msgspec.Meta(ge=0)]
Milliseconds = Annotated[float, msgspec.Meta(gt=0)]
Price = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Name = Annotated[str, msgspec.Meta(min_length=1)]


class Section(msgspec.Struct, frozen=True, rename="camel"):
    """An object of the file; `ignores` names the keys that may stand in it without effect."""

    ignores: ClassVar[frozenset[str]] = frozenset()
