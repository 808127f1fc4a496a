"""Where Ollama is asked, who we say we are, and what its errors mean."""

import msgspec
import pytest

from greenroom.actors.channels.ollama.adapter import OllamaAdapter
from greenroom.actors.entries import Prompt, UserEntry
from greenroom.actors.failure import Failure, FailureKind
from greenroom.actors.settings import ModelSettings, ProviderSettings, Secret

ASK = Prompt("qwen3", (UserEntry("Hi"),))


def adapter(base_url: str = "http://host:11434", **more: object) -> OllamaAdapter:
    settings = ProviderSettings("local", "ollama", base_url)
    return OllamaAdapter(msgspec.structs.replace(settings, **more))


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://host:11434", "http://host:11434/api/chat"),
        ("http://host:11434/", "http://host:11434/api/chat"),
        ("https://host/ollama", "https://host/ollama/api/chat"),
        ("https://host/x?key=1", "https://host/x/api/chat?key=1"),
    ],
)
def test_the_address_is_the_servers_root_and_the_apis_path(base_url: str, url: str) -> None:
    assert adapter(base_url).request(ASK).url == url


def test_a_key_is_a_bearer_and_the_settings_own_headers_win() -> None:
    assert "authorization" not in adapter().request(ASK).headers
    keyed = adapter(api_key=Secret("k-123456")).request(ASK)
    assert keyed.headers["authorization"] == "Bearer k-123456"
    ours = adapter(api_key=Secret("k-123456"), headers={"Authorization": "Basic x", "X-A": "b"})
    assert ours.request(ASK).headers.items() >= {"authorization": "Basic x", "x-a": "b"}.items()


@pytest.mark.parametrize(
    ("listed", "asked", "window"),
    [
        ("qwen3", "qwen3", 8192),
        ("qwen3:latest", "qwen3", 8192),
        ("qwen3", "qwen3:latest", 8192),
        ("qwen3:8b", "qwen3:8b", 8192),
        ("host:5000/me/qwen3", "host:5000/me/qwen3:latest", 8192),
        ("qwen3", "qwen3:8b", None),
    ],
)
def test_the_window_of_a_listed_model_is_asked_for(
    listed: str, asked: str, window: int | None
) -> None:
    models = (ModelSettings("other", context_window=1), ModelSettings(listed, context_window=8192))
    request = adapter(models=models).request(Prompt(asked, ASK.entries))
    body = msgspec.json.decode(request.body, type=dict[str, object])
    assert body.get("options") == (None if window is None else {"num_ctx": window})


def test_what_was_left_out_is_told() -> None:
    prompt = Prompt("qwen3", ASK.entries, extra={"store": b"false"})
    assert adapter().request(prompt).dropped == ("store",)


@pytest.mark.parametrize(
    ("status", "error", "failure"),
    [
        (
            404,
            'model "qwen3" not found, try pulling it first',
            Failure(FailureKind.NOT_FOUND, "…", "model", "model_not_found"),
        ),
        (404, "model 'qwen3' not found", Failure(FailureKind.NOT_FOUND, "…", "model", "model_not_found")),
        (404, "404 page not found", Failure(FailureKind.UPSTREAM_ERROR, "…")),
        (400, '"qwen3" does not support thinking', Failure(FailureKind.UPSTREAM_REJECTED, "…")),
        (
            400,
            "the input length exceeds the context length",
            Failure(FailureKind.UPSTREAM_REJECTED, "…", code="context_length_exceeded"),
        ),
        (503, "server busy, please try again", Failure(FailureKind.UPSTREAM_OVERLOADED, "…")),
        (500, "llama runner process has terminated", Failure(FailureKind.UPSTREAM_ERROR, "…")),
        (429, "too many requests", Failure(FailureKind.UPSTREAM_RATE_LIMITED, "…")),
    ],
)  # fmt: skip
def test_a_status_says_whose_fault_it_is(status: int, error: str, failure: Failure) -> None:
    body = msgspec.json.encode({"error": error})
    said = adapter().failure(status, {"content-type": "application/json"}, body)
    assert said == msgspec.structs.replace(failure, message=error)


def test_who_is_not_let_in_is_not_the_callers_fault() -> None:
    body = msgspec.json.encode({"error": "unauthorized", "signin_url": "https://x/?key=abc"})
    failure = adapter(api_key=Secret("k-123456")).failure(401, {}, body)
    assert failure.kind == FailureKind.UPSTREAM_AUTHENTICATION
    assert "k-123456" not in failure.message
