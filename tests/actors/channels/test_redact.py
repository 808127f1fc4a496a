"""No key leaves in a message, and no ordinary word is taken for one."""

import pytest

from greenroom.actors.channels.redact import Redactor


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcdef1234567890",
        "Incorrect API key provided: sk-abc**********xyz.",
        "Incorrect API key provided: 0123456789abcdef0123",
        "bad header 'Authorization: Bearer abc123def456'",
        "bad header Basic dXNlcjpwYXNzd29yZA==",
        "API key AIzaSyA1234567890abcdefg not valid",
        "token eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl expired",
        "gsk_1234567890abcdef is revoked",
        "hf_1234567890abcdef is revoked",
        "cannot reach https://user:hunter22@host/v1",
        "POST /v1?api_key=0123456789abcdef failed",
        'got {"api-key": "0123456789abcdef"}',
    ],
)
def test_keys_of_the_usual_shapes_are_redacted(text: str) -> None:
    redacted = Redactor()(text)
    assert "[redacted]" in redacted
    for secret in ("abcdef", "abc*", "456", "dXNl", "AIza", "eyJ", "hunter"):
        assert secret not in redacted


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 8192 tokens.",
        "Unknown parameter: 'top_k'.",
        "Use bearer authentication, or basic authentication.",
        "Unexpected token: 'foo' at position 12",
        "the key is missing; task-oriented models are at risk-free prices",
        "The model `gpt-4o-mini-2024-07-18` does not exist",
    ],
)
def test_ordinary_texts_stay(text: str) -> None:
    assert Redactor()(text) == text


def test_the_secrets_that_we_sent_are_redacted_whatever_their_shape() -> None:
    redact = Redactor(["hunter2", "hunter2-and-more", ""])
    assert redact("got hunter2-and-more, not hunter2") == "got [redacted], not [redacted]"


def test_a_secret_too_short_to_tell_from_a_word_is_left() -> None:
    assert Redactor(["key"])("the key is wrong") == "the key is wrong"
