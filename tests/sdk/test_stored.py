"""Stored completions with the SDK: kept, found again, listed, annotated, deleted."""

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

from tests.sdk.conftest import SCRIPTED


def ask(client: OpenAI, text: str, batch: str) -> ChatCompletion:
    return client.chat.completions.create(
        model=SCRIPTED,
        messages=[{"role": "user", "content": text}],
        store=True,
        metadata={"batch": batch},
    )


def test_what_is_stored_is_found_by_its_id_with_what_it_was_asked_for(client: OpenAI) -> None:
    answer = ask(client, "[say Kept.]", "one")
    found = client.chat.completions.retrieve(answer.id)
    assert found.choices == answer.choices
    assert (found.id, found.model, found.created) == (answer.id, answer.model, answer.created)
    assert found.usage == answer.usage
    assert found.metadata == {"batch": "one"}
    messages = client.chat.completions.messages.list(answer.id).data
    assert [(message.role, message.content) for message in messages] == [("user", "[say Kept.]")]


def test_a_streamed_answer_is_stored_too(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=SCRIPTED, messages=[{"role": "user", "content": "[say Streamed.]"}], store=True
    ) as stream:
        final = stream.get_final_completion()
    found = client.chat.completions.retrieve(final.id)
    assert found.choices[0].message.content == "Streamed."


def test_the_list_goes_through_all_pages(client: OpenAI) -> None:
    ids = [ask(client, f"[say {n}.]", "pages").id for n in range(5)]
    pages = client.chat.completions.list(metadata={"batch": "pages"}, limit=2)
    assert [stored.id for stored in pages] == ids
    latest = client.chat.completions.list(metadata={"batch": "pages"}, limit=2, order="desc")
    assert [stored.id for stored in latest.data] == ids[:2:-1]
    assert client.chat.completions.list(model="no-such", limit=2).data == []


def test_metadata_are_changed(client: OpenAI) -> None:
    answer = ask(client, "Hi", "before")
    changed = client.chat.completions.update(answer.id, metadata={"batch": "after"})
    assert changed.metadata == {"batch": "after"}
    listed = client.chat.completions.list(metadata={"batch": "after"}).data
    assert [stored.id for stored in listed] == [answer.id]


def test_what_is_deleted_is_not_found(client: OpenAI) -> None:
    answer = ask(client, "Hi", "gone")
    deleted = client.chat.completions.delete(answer.id)
    assert (deleted.deleted, deleted.id) == (True, answer.id)
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.retrieve(answer.id)
    assert caught.value.code == "completion_not_found"
