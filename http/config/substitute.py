"""`${NAME}` in a configuration's strings: taken from the environment. Pure.

`$${NAME}` stands for the text `${NAME}`; what the environment gives is not looked through again.
"""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?P<escape>\$?)\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}")


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """Replace the references in `text`; those that `unusable` names become nothing."""
    return _REFERENCE.sub(
        lambda found: found[0][1:] if found["escape"] else environ.get(found["name"], ""), text
    )


def unusable(text: str, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the variables that `text` needs and cannot have, each with what is wrong with it."""
    names = [found["name"] for found in _REFERENCE.finditer(text) if not found["escape"]]
    faults = ((name, _fault(environ.get(name))) for name in dict.fromkeys(names))
    return tuple((name, fault) for name, fault in faults if fault is not None)


def _fault(value: str | None) -> str | None:
    if value is None:
        return "is not set"
    if not value:
        return "is empty"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "is not UTF-8"
    return None
