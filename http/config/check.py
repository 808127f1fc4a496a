"""Turn nodes into the structs of a schema, noting what does not fit, each at its key and line.

It knows the kinds of types that a schema is made of and nothing of what the keys mean. What does
not fit is left out, so that the rest can still be looked at: what comes out is complete only if no
problem was found.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from msgspec import UNSET, Struct, UnsetType, inspect

from greenroom.actors.settings import Secret
from greenroom.http.config import scalars
from greenroom.http.config.findings import Findings
from greenroom.http.config.ignored import REFUSED
from greenroom.http.config.nodes import Array, KeyPath, Object, Value, kind
from greenroom.http.config.scalars import Misfit
from greenroom.http.config.sections import Section

SectionT = TypeVar("SectionT", bound=Section)


def check(
    section: type[SectionT], value: Value, environ: Mapping[str, str], findings: Findings
) -> SectionT | None:
    """Turn `value` into `section`; None if not even its outline fits."""
    checked = _Checker(environ, findings).check(inspect.type_info(section), value, ())
    return None if checked is UNSET else cast("SectionT", checked)


class _Checker:
    def __init__(self, environ: Mapping[str, str], findings: Findings) -> None:
        self._environ = environ
        self._findings = findings

    def check(self, expected: inspect.Type, value: Value, path: KeyPath) -> object:
        """Return what `value` becomes; UNSET if it does not fit, after noting why."""
        try:
            return self._convert(expected, value, path)
        except Misfit as misfit:
            self._findings.problem(path, str(misfit))
            return UNSET

    def _convert(  # noqa: PLR0911 - a table: one branch for each kind of type
        self, expected: inspect.Type, value: Value, path: KeyPath
    ) -> object:
        match expected:
            case inspect.StructType():
                return self._struct(expected, value, path)
            case inspect.DictType(value_type=inner):
                return self._dict(inner, value, path)
            case inspect.VarTupleType(item_type=inner):
                return self._tuple(inner, value, path)
            case inspect.UnionType():
                return self._convert(_option(expected, value), value, path)
            case inspect.BoolType():
                return scalars.boolean(value)
            case inspect.IntType() | inspect.FloatType():
                return scalars.number(expected, value)
            case inspect.LiteralType(values=choices):
                return scalars.choice(tuple(map(str, choices)), value, self._environ)
            case inspect.StrType(min_length=least):
                return scalars.text(value, self._environ, empty=not least)
            case inspect.CustomType(cls=cls) if cls is Secret:
                return scalars.secret(value, self._environ)
            case _:
                raise TypeError(f"a schema has no {expected}")

    def _struct(
        self, expected: inspect.StructType, value: Value, path: KeyPath
    ) -> Struct | UnsetType:
        members = _object(value).members
        section = cast("type[Section]", expected.cls)
        fields = {field.encode_name: field for field in expected.fields}
        for key in (key for key in members if key not in fields):
            if key in section.ignores:
                self._findings.ignore((*path, key))
            else:
                self._findings.problem((*path, key), _unknown(key, tuple(sorted(fields))))
        given: dict[str, object] = {}
        for key, field in fields.items():
            if key in members:
                given[field.name] = self.check(field.type, members[key].value, (*path, key))
            elif field.required:
                self._findings.problem((*path, key), "is required")
                given[field.name] = UNSET
        fitting = {name: found for name, found in given.items() if found is not UNSET}
        if any(field.required and field.name not in fitting for field in expected.fields):
            return UNSET
        return cast("Callable[..., Section]", section)(**fitting)

    def _dict(self, inner: inspect.Type, value: Value, path: KeyPath) -> dict[str, object]:
        found = {
            key: self.check(inner, member.value, (*path, key))
            for key, member in _object(value).members.items()
        }
        return {key: item for key, item in found.items() if item is not UNSET}

    def _tuple(
        self, inner: inspect.Type, value: Value, path: KeyPath
    ) -> tuple[object, ...] | UnsetType:
        if not isinstance(value, Array):
            raise Misfit(f"expected an array, got {kind(value)}")
        items = [self.check(inner, item, (*path, index)) for index, item in enumerate(value.items)]
        # An index must keep its meaning: without one of its items, the array says nothing.
        return UNSET if UNSET in items else tuple(items)


def _object(value: Value) -> Object:
    if not isinstance(value, Object):
        raise Misfit(f"expected an object, got {kind(value)}")
    return value


def _option(union: inspect.UnionType, value: Value) -> inspect.Type:
    options = [option for option in union.types if not isinstance(option, inspect.NoneType)]
    if len(options) == 1:
        return options[0]
    for option in options:
        if isinstance(option, inspect.StructType) and isinstance(value, Object):
            return option
        if isinstance(option, inspect.StrType) and kind(value) == "a string":
            return option
    raise Misfit(f"expected a string or an object, got {kind(value)}")


def _unknown(key: str, known: tuple[str, ...]) -> str:
    if key in REFUSED:
        return REFUSED[key]
    hint = scalars.suggestion(key, known) or f"; known here: {', '.join(known)}"
    return f"unknown key{hint}"
