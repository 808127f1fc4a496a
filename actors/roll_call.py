"""Actors asked one after the other, while some of them may be replaced."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from greenroom.runtime import Ref, Request, RuntimeFault

R = TypeVar("R")


async def all_answers(
    who: Callable[[], Mapping[str, Ref[Any]]], request: Request[R]
) -> tuple[R, ...]:
    """Return the answers of all that `who` names; one that is replaced meanwhile is left out."""
    answers: list[R] = []
    for id_, ref in tuple(who().items()):
        try:
            answers.append(await ref.ask(request))
        except RuntimeFault:
            if who().get(id_) is ref:
                raise
    return tuple(answers)
