"""Rules of a call's log: a field that every client may take for known is told, others are to debug."""

import logging
import math
from random import Random
from types import SimpleNamespace

import pytest
import structlog

from greenroom.actors.calling import Bill, Caller, Upstreams
from greenroom.actors.channels.channel import Deltas, Notes
from greenroom.actors.channels.openai.fields import FIELDS, is_known
from greenroom.actors.entries import Prompt
from greenroom.actors.provider import Provider
from greenroom.actors.settings import ProviderSettings
from tests.actors.conftest import HERE, Played, PlayedChannel, a_system, user

NAMES = ("seed", "tools[].function.strict", "messages[].content[].image_url.detail", "top_k", "x.y")


class Dropping(PlayedChannel):
    """A channel that has no place for some fields."""

    def open(self, prompt: Prompt) -> Played:
        played = super().open(prompt)
        played.notes = Notes(NAMES)
        return played


async def test_what_is_known_is_told_apart_from_what_is_not() -> None:
    told: list[Notes] = []

    async def take(_: Deltas) -> None:
        pass

    async with a_system() as system:
        settings = ProviderSettings("here", "scripted")
        provider = await system.spawn(Provider(settings, lambda _: Dropping(), Random(1)), "here")
        upstreams = Upstreams({"here": provider}, 1.0, Random(1))
        with structlog.testing.capture_logs() as lines:
            log = structlog.wrap_logger(
                structlog.PrintLogger(),
                wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
            )
            prompt = Prompt("m", (user("Hi"),))
            caller = Caller(upstreams, Bill(), SimpleNamespace(log=log))
            made = await caller.call(HERE, prompt, take, first_by=math.inf, hear=told.append)
    assert made.failure is None
    assert told == [Notes(NAMES)]
    fields = {line["event"]: (line["log_level"], line["fields"]) for line in lines}
    assert fields == {
        "run.fields_dropped": ("info", list(NAMES[:3])),
        "run.fields_unknown": ("debug", list(NAMES[3:])),
    }


@pytest.mark.parametrize("path", [*sorted(FIELDS), "tools[0].function", "messages[].name"])
def test_a_field_of_the_api_is_known_and_so_is_what_stands_in_it(path: str) -> None:
    assert is_known(path)


@pytest.mark.parametrize("path", ["top_k", "options.num_ctx", "toolset", ""])
def test_any_other_is_not(path: str) -> None:
    assert not is_known(path)
