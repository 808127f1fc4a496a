"""What the scripts in Python share: where the gateway is, and one line of JSON for each check.

A line is `{"name", "ok", "error"?}`. The environment says where: GREENROOM_URL, GREENROOM_KEY, the model
as GREENROOM_MODEL, and by GREENROOM_API whether it is asked by "chat" completions or "responses".
"""

import asyncio
import json
import os
import secrets
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

URL = os.environ["GREENROOM_URL"]
KEY = os.environ["GREENROOM_KEY"]
MODEL = os.environ["GREENROOM_MODEL"]
API = os.environ["GREENROOM_API"]

BUSY = f"{MODEL}+status-429"
"""The model whose upstream has no room."""
CITY, WEATHER = "Tromsø", "snow"
ASK_FOR_WEATHER = json.dumps({"call": [["get_weather", {"city": CITY}]]})
"""A message to which the upstream's model answers by calling that tool."""
READ_OUT = f"get_weather said: {WEATHER}"
"""What it says to the result."""

E = TypeVar("E", bound=Exception)
Check = Callable[[], Awaitable[None]]
_checks: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """Make a function the check of that name; they run in the order in which they are written."""

    def register(function: Check) -> Check:
        _checks[name] = function
        return function

    return register


def run() -> None:
    """Run all checks and tell of each."""

    async def run_all() -> None:
        for name, function in _checks.items():
            line: dict[str, Any] = {"name": name, "ok": True}
            try:
                async with asyncio.timeout(30):
                    await function()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is wrong
                where = traceback.extract_tb(error.__traceback__)[-1]
                told = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
                line |= {"ok": False, "error": told}
            print(json.dumps(line), flush=True)  # noqa: T201 - what it is for

    asyncio.run(run_all())


def echo(text: str, nth: int = 1) -> str:
    """Return what the upstream's model says to a user's nth message."""
    return f"{text}? That was number {nth}."


def fresh_session() -> dict[str, str]:
    """Return the header of a session that nobody else has."""
    return {"x-openclaw-session-key": f"fresh-{secrets.token_hex(8)}"}


def equal(found: object, wanted: object) -> None:
    """Assert that they are, and show both."""
    assert found == wanted, f"{found!r} is not {wanted!r}"


async def raised(kind: type[E], call: Awaitable[object]) -> E:
    """Return the error of that kind, which the call has to raise."""
    try:
        found = await call
    except kind as error:
        return error
    raise AssertionError(f"nothing was raised: {found!r}")
