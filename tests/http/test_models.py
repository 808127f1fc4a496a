"""Rules of `/v1/models`: the default agent's forms, the agents, the models; each by its id."""

import pytest
import trio

from tests.http.conftest import Site

LISTED = [
    ("openclaw", "openclaw"),
    ("openclaw/default", "openclaw"),
    ("openclaw/main", "openclaw"),
    ("openclaw/beta", "openclaw"),
    ("scripted/demo", "scripted"),
    ("spare/demo", "spare"),
    ("spare/org/m", "spare"),
]


async def test_the_list_has_the_default_agent_then_the_agents_then_the_models() -> None:
    async with Site() as site:
        models = (await site.get("/v1/models")).json()
    assert list(models) == ["object", "data"]
    assert models["object"] == "list"
    assert [(model["id"], model["owned_by"]) for model in models["data"]] == LISTED
    for model in models["data"]:
        assert list(model) == ["id", "object", "created", "owned_by"]
        assert model["object"] == "model"
        assert isinstance(model["created"], int)


@pytest.mark.parametrize("id_", [*dict(LISTED), "openclaw:main", "openclaw:BETA", "agent:beta"])
async def test_each_model_is_found_by_its_id_as_a_path(id_: str) -> None:
    async with Site() as site:
        model = (await site.get(f"/v1/models/{id_}")).json()
        listed = (await site.get("/v1/models")).json()["data"]
    assert model["id"] == id_
    assert model in listed or model["owned_by"] == "openclaw"


async def test_every_listed_model_can_be_asked() -> None:
    async with Site() as site:
        for id_, _ in LISTED:
            body = {"model": id_, "messages": [{"role": "user", "content": "[say yes]"}]}
            assert (await site.post(body)).json()["model"] == id_


@pytest.mark.parametrize(
    "id_", ["gpt-9", "openclaw:nobody", "agent:", "openclaw/nobody", "a/b/c", "モ"]
)
async def test_an_unknown_model_is_not_found_by_name(id_: str) -> None:
    async with Site() as site:
        answer = await site.get(f"/v1/models/{id_}")
    assert answer.status == 404
    assert answer.error() == {
        "message": f"The model '{id_}' does not exist",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/openclaw"])
async def test_the_models_are_for_callers_with_the_secret(path: str) -> None:
    async with Site() as site:
        answer = await site.get(path, token="wrong")
    assert (answer.status, answer.error()["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_locked_out_caller_is_told_when_to_come_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with Site() as site:
        for _ in range(10):
            await site.get("/v1/models", token="wrong")
        answer = await site.get("/v1/models")
    assert (answer.status, answer.headers["retry-after"]) == (429, "300")
