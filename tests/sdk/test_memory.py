"""A session remembers, under a `user` or a key; without either, nothing is remembered or kept."""

from typing import cast

import pytest
from openai import InternalServerError, OpenAI, omit
from openai.types.chat import ChatCompletionMessageParam

from tests.processes import until
from tests.sdk.conftest import Gateway, StartGateway, client_of, reply, tell


def test_a_user_is_remembered(client: OpenAI, model: str, fresh: str) -> None:
    for nth in ("1st", "2nd", "3rd", "4th"):
        assert tell(client, "hello", model=model, user=fresh) == reply("hello", nth)


def test_a_session_key_is_remembered(client: OpenAI, model: str, fresh: str) -> None:
    header = {"x-openclaw-session-key": fresh}
    for nth in ("1st", "2nd", "3rd"):
        answer = tell(client, "hello", model=model, extra_headers=header)
        assert answer == reply("hello", nth)


def test_the_key_wins_over_the_user(client: OpenAI, fresh: str) -> None:
    """Not through the upstream: the `user` goes along, and names one session there."""
    header = {"x-openclaw-session-key": f"{fresh}-key"}
    assert tell(client, "a", user=fresh) == reply("a", "1st")
    assert tell(client, "b", user=fresh, extra_headers=header) == reply("b", "1st")
    assert tell(client, "c", user=f"{fresh}-2", extra_headers=header) == reply("c", "2nd")


def test_users_keep_their_case_and_do_not_share(client: OpenAI, model: str, fresh: str) -> None:
    assert tell(client, "a", model=model, user=fresh) == reply("a", "1st")
    assert tell(client, "b", model=model, user=fresh.upper()) == reply("b", "1st")


def test_agents_do_not_share_a_user(client: OpenAI, fresh: str) -> None:
    assert tell(client, "a", model="openclaw:main", user=fresh) == reply("a", "1st")
    assert tell(client, "b", model="openclaw:beta", user=fresh) == reply("b", "1st")


def test_streamed_answers_are_remembered_too(client: OpenAI, model: str, fresh: str) -> None:
    for nth in ("1st", "2nd"):
        with client.chat.completions.stream(
            model=model, messages=[{"role": "user", "content": "hello"}], user=fresh
        ) as stream:
            message = stream.get_final_completion().choices[0].message
        assert message.content == reply("hello", nth)


def test_a_failed_turn_is_no_memory_however_often_it_was_tried_again(
    gateway: Gateway, fresh: str
) -> None:
    with client_of(gateway, retries=2) as client:
        assert tell(client, "one", user=fresh) == reply("one", "1st")
        with pytest.raises(InternalServerError):
            tell(client, "two [fail upstream_error after 2]", user=fresh)
        assert tell(client, "three", user=fresh) == reply("three", "2nd")


def test_without_key_and_user_nothing_is_remembered(client: OpenAI, model: str) -> None:
    for _ in range(3):
        assert tell(client, "hello", model=model) == reply("hello", "1st")


def test_without_key_and_user_nothing_stays_alive(start_gateway: StartGateway) -> None:
    own = start_gateway()
    with client_of(own) as client:
        for _ in range(5):
            tell(client, "hello")
    until(lambda: True if not own.live_sessions() else None, "the sessions' end")
    with client_of(own) as client:
        tell(client, "hello", user="someone")
    assert own.live_sessions() == {"main": 1}
    own.end()


@pytest.mark.parametrize("remembered", [True, False], ids=["session", "stateless"])
def test_a_conversation_sent_again_is_not_doubled(
    client: OpenAI, model: str, fresh: str, *, remembered: bool
) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "system", "content": "Be brief."}]
    for nth in ("1st", "2nd", "3rd"):
        messages.append({"role": "user", "content": f"the {nth}"})
        answer = client.chat.completions.create(
            model=model, messages=messages, user=fresh if remembered else omit
        )
        assert answer.choices[0].message.content == reply(f"the {nth}", nth)
        # As an SDK's user has it: the answer's own dump goes back.
        messages.append(cast("ChatCompletionMessageParam", answer.choices[0].message.to_dict()))


def test_an_edited_conversation_replaces_what_followed(
    client: OpenAI, model: str, fresh: str
) -> None:
    first = tell(client, "one", model=model, user=fresh)
    tell(client, "two", model=model, user=fresh)
    tell(client, "three", model=model, user=fresh)
    again = client.chat.completions.create(
        model=model,
        user=fresh,
        messages=[
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": first},
            {"role": "user", "content": "other"},
        ],
    )
    assert again.choices[0].message.content == reply("other", "2nd")
    assert tell(client, "next", model=model, user=fresh) == reply("next", "3rd")


def test_the_system_message_counts_for_its_turn_alone(
    client: OpenAI, model: str, fresh: str
) -> None:
    """The scripted model counts the words of its prompt, so what it was told can be seen."""

    def heard(*messages: ChatCompletionMessageParam) -> int:
        answer = client.chat.completions.create(model=model, messages=messages, user=fresh)
        assert answer.usage is not None
        return answer.usage.prompt_tokens

    instructed = heard(
        {"role": "system", "content": "six words that count only now"},
        {"role": "user", "content": "[say ok]"},
    )
    assert instructed == 6 + 2
    assert heard({"role": "user", "content": "[say ok]"}) == 2 + 1 + 2


def test_a_stream_that_is_left_early_ends_its_turn(
    gateway: Gateway, client: OpenAI, model: str, fresh: str
) -> None:
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "[slow 600] [say one two three]"}],
        stream=True,
        user=fresh,
    )
    with stream:
        said = (chunk.choices[0].delta.content for chunk in stream)
        assert next(word for word in said if word) == "one"
    line = gateway.ended_request(session=f"agent:main:openai-user:{fresh}")
    assert line["error"] == "client_left"
    assert line["whole"] is False
    assert line["duration_s"] < 60
    # The session is free again, and what was said before counts.
    assert tell(client, "again", model=model, user=fresh) == reply("again", "2nd")


def test_leaving_before_the_first_word_leaves_no_trace(
    gateway: Gateway, upstream: Gateway, client: OpenAI, fresh: str
) -> None:
    """The client's own timeout; the upstream's turn ends as well, socket and all."""
    for model in ("openclaw:main", "upstream/openclaw:main"):
        with pytest.raises(Exception, match="timed out"):
            client.with_options(timeout=0.3).chat.completions.create(
                model=model, messages=[{"role": "user", "content": "[wait 600]"}], user=fresh
            )
    session = f"agent:main:openai-user:{fresh}"
    until(
        lambda: True if len(gateway.requests(session=session, error="client_left")) == 2 else None,
        "the end of both",
    )
    assert upstream.ended_request(session=session)["error"] == "client_left"
    assert tell(client, "hello", user=fresh) == reply("hello", "1st")
