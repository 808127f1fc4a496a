"""`greenroom sessions …`: a running gateway's sessions, over its HTTP API.

Thin: a request for each command, its answer printed. An export is written as it comes, so that no session
is too large for it.
"""

import errno
import os
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from greenroom.http.cli.gateway import GatewayAddress
from greenroom.http.cli.problem import Problem

if TYPE_CHECKING:
    import httpx2

_TIME_LIMIT_S = 60.0


class SessionsClient:
    """The sessions API of one gateway."""

    def __init__(self, gateway: GatewayAddress, agent: str | None) -> None:
        self._gateway = gateway
        self._agent = {} if agent is None else {"agent": agent}

    def list(self, prefix: str, limit: int) -> None:
        """Print the sessions, the last active first."""
        parameters = {"prefix": prefix, "limit": str(min(limit, 1000))}
        shown = 0
        while True:
            page = self._json("GET", "", parameters)
            for session in page["data"][: limit - shown]:
                _print_session(session)
                shown += 1
            if not page["has_more"] or shown >= limit:
                return
            parameters["after"] = page["next"]

    def show(self, key: str) -> None:
        """Print one session."""
        session = self._json("GET", _path(key))
        for name, value in session.items():
            click.echo(f"{name}: {_shown(name, value)}")

    def transcript(self, key: str, *, cut: bool) -> None:
        """Print what was said."""
        parameters = {"cut": str(cut).lower()}
        while True:
            page = self._json("GET", _path(key, "transcript"), parameters)
            for entry in page["data"]:
                _print_entry(entry)
            if not page["has_more"]:
                return
            parameters["after"] = str(page["next"])

    def cancel(self, key: str) -> None:
        """End the turn that runs."""
        done = self._json("POST", _path(key, "cancel"))["cancelled"]
        click.echo("cancelled" if done else "no turn was under way")

    def reset(self, key: str) -> None:
        """Begin the transcript anew."""
        self._json("POST", _path(key, "reset"))
        click.echo("reset")

    def delete(self, key: str) -> None:
        """Delete a session."""
        self._json("DELETE", _path(key))
        click.echo("deleted")

    def export(self, key: str, to: Path | None) -> None:
        """Write a session as JSON Lines, to standard output if no file is given."""
        with self._open("GET", _path(key, "export")) as answer:
            if to is None:
                for piece in answer.iter_bytes():
                    sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
                return
            # What is cut off on the way leaves no file that looks whole.
            beside = to.with_name(f".{to.name}.part")
            try:
                if to.exists():
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
                with beside.open("wb") as file:
                    for piece in answer.iter_bytes():
                        file.write(piece)
                beside.rename(to)
            except OSError as error:
                raise Problem(f"{to}: {error.strerror}", 2) from None
            finally:
                beside.unlink(missing_ok=True)

    def restore(self, source: Path, key: str | None) -> None:
        """Make a session of an export."""
        try:
            content = source.read_bytes()
        except OSError as error:
            raise Problem(f"{source}: {error.strerror}", 2) from None
        parameters = {} if key is None else {"key": key}
        made = self._json("POST", "", parameters, content)
        click.echo(f"{made['agent']} {made['key']}")

    def _json(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        content: bytes = b"",
    ) -> Any:
        with self._open(method, path, parameters, content) as answer:
            answer.read()
            return answer.json()

    @contextmanager
    def _open(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        content: bytes = b"",
    ) -> "Generator[httpx2.Response]":
        import httpx2  # noqa: PLC0415 - 3 MB, which the gateway itself does without

        url = f"{self._gateway.url}/v1/sessions{path}"
        query = {**self._agent, **(parameters or {})}
        try:
            with (
                httpx2.Client(trust_env=False, timeout=_TIME_LIMIT_S) as client,
                client.stream(
                    method, url, params=query, headers=self._gateway.headers, content=content
                ) as answer,
            ):
                if not answer.is_success:
                    answer.read()
                    raise Problem(self._gateway.explain(answer), 1)
                yield answer
        except httpx2.TransportError:
            raise Problem(self._gateway.unreachable, 1) from None


def _path(key: str, verb: str | None = None) -> str:
    path = f"/{quote(key, safe='')}"
    return path if verb is None else f"{path}/{verb}"


def _print_session(session: Mapping[str, Any]) -> None:
    active = _shown("active_at", session["active_at"])
    counts = f"{session['turns']} turns, {session['entries']} entries, {session['size']} bytes"
    click.echo(f"{active}  {session['agent']}  {session['key']}  ({counts})")


def _print_entry(entry: Mapping[str, Any]) -> None:
    message = entry["message"]
    marks = [name for name in ("interrupted", "synthetic", "pinned") if message.get(name)]
    if entry["cut"] is not None:
        marks.append("cut")
    content = message["content"]
    text = content if isinstance(content, str) else _text_of(content)
    calls = "".join(
        f"\n  [calls {(call.get('function') or call['custom'])['name']}]"
        for call in message.get("tool_calls", ())
    )
    click.echo(f"{entry['seq']:>6} {message['role']}{_marked(marks)}: {text}{calls}")


def _text_of(content: Any) -> str:
    return " ".join(part.get("text", f"[{part['type']}]") for part in content or ())


def _marked(marks: list[str]) -> str:
    return f" ({', '.join(marks)})" if marks else ""


def _shown(name: str, value: object) -> object:
    if name.endswith("_at") and isinstance(value, int | float):
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value))
    return value
