"""Embeddings with the SDK, which asks for base64 unless it is told otherwise."""

import openai
import pytest
from openai import OpenAI

from tests.sdk.conftest import SCRIPTED, request_id_of


def test_both_forms_are_the_same_vectors(client: OpenAI, model: str) -> None:
    texts = ["one", "two words"]
    packed = client.embeddings.create(model=model, input=texts)
    plain = client.embeddings.create(model=model, input=texts, encoding_format="float")
    assert packed.model == model
    assert [item.index for item in packed.data] == [0, 1]
    for ours, theirs in zip(packed.data, plain.data, strict=True):
        assert ours.embedding == pytest.approx(theirs.embedding, rel=1e-6)
    assert packed.usage.prompt_tokens == 3
    assert request_id_of(packed)


def test_dimensions_are_those_asked_for(client: OpenAI, model: str) -> None:
    answer = client.embeddings.create(model=model, input="one", dimensions=5)
    assert len(answer.data[0].embedding) == 5


def test_tokens_are_embedded_as_well(client: OpenAI, model: str) -> None:
    answer = client.embeddings.create(model=model, input=[[1, 2], [3]])
    assert len(answer.data) == 2


def test_what_the_upstream_cannot_find_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="upstream/no-such-model", input="one")
    assert caught.value.code == "model_not_found"


def test_nothing_to_embed_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=SCRIPTED, input="")
    assert caught.value.param == "input[0]"
