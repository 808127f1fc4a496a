"""Whatever a file holds, loading it gives a configuration or a `ConfigurationError`, nothing else."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.http.config import ConfigurationError, load

VALID = """{
  gateway: {
    port: 18789, bind: "custom", customBindHost: "127.0.0.1",
    auth: { mode: "token", token: "${TOKEN}", rateLimit: { maxAttempts: 10, windowMs: 6e4 } },
    http: {
      endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } },
      limits: { maxBodyBytes: 0x100000, heartbeatSeconds: .5 },
    },
  },
  models: { providers: { local: {
    baseUrl: "http://127.0.0.1:8000/v1", apiKey: "${KEY}", api: "openai-completions",
    headers: { 'x-a': 'b' }, timeouts: { connect: 1 }, maxConcurrent: +2,
    models: [{ id: "m-1", input: ["text"], cost: { input: 0 }, contextWindow: 128000 }],
  } } },
  agents: {
    defaults: { model: { primary: "local/m-1", fallbacks: ["scripted/demo"] }, timeoutSeconds: 0 },
    entries: { main: {}, beta: { model: "scripted/demo", default: true } },
  },
  channels: {}, sessions: { maxLive: 5 }, logging: { level: "warn" }, // done
}"""
ENVIRON = {"TOKEN": "t", "KEY": "k"}
PARTS = re.findall(r"[\w$]+|\s+|[^\w\s]", VALID)
ODD_PARTS = [
    *sorted(set(PARTS)),
    "null", "-1", "1e999", "NaN", "0x", "''", '"\\ud800"', "\\", "/*", "*/", "//", "'", '"', "#",
    "\0", "\ud7ff", "[[[[", "{a:" * 70, "${X}", "$${X}", "__proto__", "$include", "9" * 70,
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("garbage")


def refusal(folder: Path, content: bytes) -> ConfigurationError | None:
    (folder / "greenroom.json5").write_bytes(content)
    try:
        load(environ=ENVIRON, cwd=folder, home=folder)
    except ConfigurationError as error:
        return error
    return None


def loads_or_is_refused(folder: Path, content: bytes) -> None:
    error = refusal(folder, content)
    if error is not None:
        assert error.problems
        assert len(str(error).splitlines()) == len(error.problems)
        for problem in error.problems:
            assert problem.file == "greenroom.json5"
            assert problem.line is None or 1 <= problem.line <= len(content.splitlines()) + 1


def test_the_document_that_is_mutated_is_valid(folder: Path) -> None:
    assert refusal(folder, VALID.encode()) is None


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(folder: Path, content: bytes) -> None:
    loads_or_is_refused(folder, content)


@settings(deadline=None)
@given(st.lists(st.sampled_from(ODD_PARTS), max_size=40).map("".join))
def test_random_parts_raise_nothing_else(folder: Path, text: str) -> None:
    loads_or_is_refused(folder, text.encode())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_mutations_raise_nothing_else(folder: Path, data: st.DataObject) -> None:
    parts = list(PARTS)
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(parts) - 1))
        match data.draw(st.sampled_from(["replace", "insert", "delete", "copy", "cut"])):
            case "replace":
                parts[index] = data.draw(st.sampled_from(ODD_PARTS))
            case "insert":
                parts.insert(index, data.draw(st.sampled_from(ODD_PARTS)))
            case "delete":
                parts[index] = ""
            case "copy":
                end = data.draw(st.integers(index, len(parts)))
                parts[index:index] = parts[index:end]
            case _:
                end = data.draw(st.integers(index, len(parts)))
                parts[index:end] = [""]
    loads_or_is_refused(folder, "".join(parts).encode())


VALUES = st.recursive(
    st.sampled_from(
        [
            "null",
            "true",
            "0",
            "-1",
            "1.5",
            "1e99",
            "NaN",
            "-Infinity",
            "''",
            "'x'",
            "'p/m'",
            "'lan'",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.dictionaries(
            st.sampled_from([*sorted(set(re.findall(r"\w+(?=:)", VALID))), "id", "list"]),
            inner,
            max_size=3,
        ).map(lambda items: "{" + ",".join(f"{key}: {value}" for key, value in items.items()) + "}")
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.data())
def test_known_keys_with_any_value_raise_nothing_else(
    folder: Path, value: str, data: st.DataObject
) -> None:
    keys = list(re.finditer(r"(?<=: )(?:\"[^\"]*\"|[\w.+]+)(?=[,} \n])", VALID))
    place = data.draw(st.sampled_from(keys))
    loads_or_is_refused(folder, (VALID[: place.start()] + value + VALID[place.end() :]).encode())
    loads_or_is_refused(folder, value.encode())
