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
        id="openai",
        title="OpenAI's Python SDK, sync and async",
        packages=("openai>=3.54",),
        script="openai_sdk.py",
    ),
    Library(
        id="openai-node",
        title="OpenAI's Node SDK",
        packages=("openai@>=7.57", "zod@4"),
        script="openai_sdk.mjs",
    ),
    Library(
        id="langchain",
        title="LangChain, `ChatOpenAI`",
        packages=("langchain-openai>=1.7",),
        script="langchain_chat.py",
    ),
    Library(
        id="vercel",
        title="Vercel AI SDK",
        packages=("ai@>=7", "@ai-sdk/openai", "@ai-sdk/openai-compatible", "zod@4"),
        script="vercel.mjs",
    ),
    Library(
        id="pydantic-ai",
        title="Pydantic AI",
        packages=("pydantic-ai-slim[openai]>=2.66",),
        script="pydantic_agent.py",
    ),
    Library(
        id="openai-agents",
        title="OpenAI Agents SDK",
        packages=("openai-agents>=0.24",),
        script="agents_sdk.py",
    ),
    Library(
        id="litellm",
        title="LiteLLM's client",
        packages=("litellm>=1.110",),
        script="litellm_client.py",
    ),
)
