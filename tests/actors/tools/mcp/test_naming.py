"""A tool's name here can be any model's, belongs to one tool, and never depends on its neighbours."""

import re

from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.tools.mcp.naming import fit, offered
from tests.actors.tools.mcp.conftest import listed, played

FITTING = "aB9_-"
NAMES = st.text(max_size=8) | st.text(FITTING + ". é/", min_size=60, max_size=68)


@given(NAMES)
def test_every_name_becomes_one_that_every_model_takes(name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", fit(name))


@given(st.text(FITTING, min_size=1, max_size=64))
def test_a_name_that_fits_stays(name: str) -> None:
    assert fit(name) == name


@given(st.lists(NAMES, unique=True, max_size=6))
def test_different_tools_have_different_names(names: list[str]) -> None:
    assert len(set(map(fit, names))) == len(names)


@given(st.lists(NAMES, unique=True, min_size=1, max_size=6))
def test_a_name_does_not_depend_on_the_other_tools(names: list[str]) -> None:
    for settings in (played(), played(prefix=""), played(prefix="a b")):
        together = [name for name, _ in offered(settings, listed(*names))]
        alone = [next(offered(settings, listed(name)))[0] for name in names]
        assert together == alone


def test_a_tool_that_is_listed_twice_is_offered_once() -> None:
    assert len(list(offered(played(), listed("look", "look")))) == 1
