"""Schemathesis reads the gateway's OpenAPI document, and tries to find an answer that contradicts it.

`EXAMPLES=100 .venv/bin/python -m pytest tests/sdk/test_schemathesis.py` looks longer, and at
every bound of a chat request's fields.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.sdk.conftest import Gateway

EXAMPLES = int(os.environ.get("EXAMPLES", "0"))
_SETTINGS = """\
seed = 1
[phases.stateful]
enabled = false
[phases.examples]
enabled = false
[phases.fuzzing.generation]
max-examples = EXAMPLES
[phases.coverage]
unexpected-methods = ["PUT", "PATCH"]
[checks.positive_data_acceptance]
# What fields may be together, and which sessions and models there are, is more than a schema tells.
expected-statuses = ["2XX", 400, 404, 409]
[[operations]]
include-operation-id = "post_sessions"
# An export of a session cannot be made up.
enabled = false
"""
_SHORTER = """\
[[operations]]
include-operation-id = "post_chat_completions"
phases.coverage.enabled = false
"""


def test_no_answer_contradicts_the_document(gateway: Gateway, tmp_path: Path) -> None:
    settings = _SETTINGS.replace("EXAMPLES", str(EXAMPLES or 3)) + ("" if EXAMPLES else _SHORTER)
    (tmp_path / "schemathesis.toml").write_text(settings)
    root = gateway.url.removesuffix("/v1")
    command = ["run", f"{root}/openapi.json", "--header", f"Authorization: Bearer {gateway.key}"]
    done = subprocess.run(  # noqa: S603 - a tool of ours
        [Path(sys.executable).parent / "schemathesis", *command, "--no-color"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert found is not None
    assert found[1] == found[2]
    assert int(found[1]) > 400
