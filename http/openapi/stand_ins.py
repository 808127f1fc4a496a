"""Stand-ins of structs, of which schemas are made: the same fields, with all that is known of them.

A struct that reads a request leaves parts of it unread (`Raw`) and checks bounds elsewhere, for speed and
for the words of errors. What stands in for it has those parts' structs and the bounds; it reads nothing.
"""

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeGuard, Union, cast, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Raw

Types = Mapping[tuple[type[msgspec.Struct], str], object]
"""What a struct's field is said to be, instead of what its struct says."""


class StandIns:
    """Makes one for each struct, and for the structs in it."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self._made: dict[type[msgspec.Struct], type[msgspec.Struct]] = {}

    def of(self, kind: object) -> object:
        """Return a type with stand-ins in the place of its structs, and of what they do not read."""
        if kind is Raw or kind is object:
            return Any
        if is_struct(kind):
            return self._made.get(kind) or self._make(kind)
        origin = get_origin(kind)
        if origin is None or origin is Literal:
            return kind
        if origin is Annotated:
            base, *notes = get_args(kind)
            return Annotated[(self.of(base), *notes)]
        arguments = tuple(map(self.of, get_args(kind)))
        if origin in {Union, UnionType}:
            return Union[arguments]  # noqa: UP007 - of what is only known now
        return cast("Any", origin)[arguments]

    def _make(self, kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
        config = kind.__struct_config__
        fields: list[Any] = []
        for field in msgspec.structs.fields(kind):
            said = self.of(self._types.get((kind, field.name), field.type))
            name = field.name
            if field.required:
                fields.append((name, said))
            elif field.default is NODEFAULT:
                default = msgspec.field(
                    name=field.encode_name, default_factory=field.default_factory
                )
                fields.append((name, said, default))
            else:
                plain = None if isinstance(field.default, Raw) else field.default
                fields.append((name, said, msgspec.field(name=field.encode_name, default=plain)))
        made = msgspec.defstruct(
            kind.__name__,
            fields,
            tag_field=config.tag_field,
            tag=config.tag,
            kw_only=True,
            module=kind.__module__,
            namespace={"__doc__": kind.__doc__},
        )
        self._made[kind] = made
        return made


def is_struct(kind: object) -> TypeGuard[type[msgspec.Struct]]:
    """Say whether a type is a struct."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
