from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom.http.config import Configuration, ConfigurationError, load


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[..., Configuration]:
    """Load a text as the greenroom.json5 of a working directory; None is no file."""

    def load_text(
        text: str | None, *, port: int | None = None, environ: dict[str, str] | None = None
    ) -> Configuration:
        if text is not None:
            (tmp_path / "greenroom.json5").write_text(text, encoding="utf-8")
        if environ is None:
            environ = {"OPENCLAW_GATEWAY_TOKEN": "from-environment"}
        return load(port=port, environ=environ, cwd=tmp_path, home=tmp_path / "home")

    return load_text


@pytest.fixture
def problems_of(load_text: Callable[..., Configuration]) -> Callable[..., list[str]]:
    """Load a text that is wrong; the lines of its error."""

    def problems_of(
        text: str | None, *, port: int | None = None, environ: dict[str, str] | None = None
    ) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load_text(text, port=port, environ=environ)
        lines = str(caught.value).splitlines()
        assert len(lines) == len(caught.value.problems)
        return lines

    return problems_of
