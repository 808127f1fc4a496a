"""The libraries: what is installed for each, and the script that checks it.

A script is in the folder `scripts`, runs in an environment of its library's own, and knows nothing of
this one. It is run for each channel and each of the APIs that the library can ask by.
"""

import re
from pathlib import Path
from typing import Literal, NamedTuple

Api = Literal["chat", "responses"]

SCRIPTS = Path(__file__).parent / "scripts"


class Library(NamedTuple):
    """One library: `packages` are requirements of pip, or of npm where the script is JavaScript's.

    The first of them is the library itself.
    """

    id: str
    title: str
    packages: tuple[str, ...]
    script: str
    apis: tuple[Api, ...] = ("chat", "responses")

    @property
    def is_node(self) -> bool:
        """Whether it runs on Node."""
        return self.script.endswith(".mjs")

    @property
    def name(self) -> str:
        """The name of the first package."""
        return re.split(r"[\[<>=]|(?<=.)@", self.packages[0])[0]


LIBRARIES = (
    Library(
        id="langchain",
        title="LangChain, `ChatOpenAI`",
        packages=("langchain-openai>=1.7",),
        script="langchain_chat.py",
    ),
)
