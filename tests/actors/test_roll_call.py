"""Actors are asked one after the other; who is replaced meanwhile is left out."""

import pytest

from greenroom.actors.roll_call import all_answers
from greenroom.runtime import Actor, ActorStopped, NotAccepted, Ref, Request
from tests.actors.conftest import a_system


class Name(Request[str], frozen=True):
    """Ask for a name."""


class Named(Actor[Name]):
    def __init__(self, name: str) -> None:
        self._name = name

    async def receive(self, message: Name) -> str:
        return self._name


async def test_all_answer_in_order_but_for_those_that_are_gone_by_then() -> None:
    async with a_system() as system:
        refs: dict[str, Ref[Name]] = {
            name: await system.spawn(Named(name), name) for name in ("a", "b", "c")
        }
        now = dict(refs)
        assert await all_answers(lambda: now, Name()) == ("a", "b", "c")
        refs["b"].kill()
        await refs["b"].stopped()
        with pytest.raises((ActorStopped, NotAccepted)):
            await all_answers(lambda: now, Name())
        looks = [now, {"a": refs["a"], "c": refs["c"]}]
        assert await all_answers(lambda: looks.pop(0), Name()) == ("a", "c")
