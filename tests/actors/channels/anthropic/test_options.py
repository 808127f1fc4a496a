"""Each field of a client's request is honoured, translated, dropped by name, or refused by name."""

import pytest

from greenroom.actors.channels.anthropic.options import JSON_OBJECT
from greenroom.actors.entries import Sampling, SystemEntry, UserEntry
from greenroom.actors.failure import FailureKind
from tests.actors.channels.anthropic.conftest import asked, dropped_by, extra, refusal_of
from tests.actors.channels.conftest import Json

PLAIN = asked().keys()
OLD, NEW = "claude-sonnet-4-0", "claude-opus-4-7"


def added(model: str = "claude-opus-4-5", **prompt: object) -> Json:
    """Return what a request has beside what every request has."""
    return {name: value for name, value in asked(model, **prompt).items() if name not in PLAIN}


def test_sampling_is_sent_where_it_is_set() -> None:
    sampling = Sampling(temperature=0.0, top_p=0.5, stop=("a", "\nb"))
    assert added(OLD, sampling=sampling, extra=extra(top_k=40)) == {
        "temperature": 0.0,
        "top_p": 0.5,
        "top_k": 40,
        "stop_sequences": ["a", "\nb"],
    }
    assert dropped_by(OLD, sampling=sampling, extra=extra(top_k=40)) == ()


@pytest.mark.parametrize(("given", "sent"), [(0.7, 0.7), (1, 1.0), (1.3, 1.0), (2, 1.0)])
def test_the_temperature_goes_to_1(given: float, sent: float) -> None:
    assert added(OLD, sampling=Sampling(temperature=given)) == {"temperature": sent}


def test_models_that_draw_by_themselves_are_not_told_how() -> None:
    sampling = Sampling(temperature=1.0, top_p=1.0, stop=("a",))
    assert added(NEW, sampling=sampling, extra=extra(top_k=1)) == {"stop_sequences": ["a"]}
    assert dropped_by(NEW, sampling=sampling, extra=extra(top_k=1)) == (
        "temperature",
        "top_p",
        "top_k",
    )


def test_where_only_one_of_two_is_taken_it_is_the_temperature() -> None:
    sampling = Sampling(temperature=0.5, top_p=0.5)
    assert added(sampling=sampling) == {"temperature": 0.5}
    assert dropped_by(sampling=sampling) == ("top_p",)
    assert added(sampling=Sampling(top_p=0.5)) == {"top_p": 0.5}


def test_a_blank_stop_has_no_place() -> None:
    sampling = Sampling(stop=("\n", "a", " "))
    assert added(sampling=sampling) == {"stop_sequences": ["a"]}
    assert dropped_by(sampling=sampling) == ("stop",)
    assert added(sampling=Sampling(stop=("\n\n",))) == {}


def test_seeds_and_penalties_have_no_place() -> None:
    sampling = Sampling(seed=0, frequency_penalty=0.5, presence_penalty=-1.0)
    assert added(sampling=sampling) == {}
    assert dropped_by(sampling=sampling) == ("seed", "frequency_penalty", "presence_penalty")


def test_what_asks_for_nothing_is_not_worth_a_word() -> None:
    nothing = extra(
        modalities=["text"],
        response_format={"type": "text"},
        logit_bias=None,
        web_search_options=None,
        user=None,
        service_tier=None,
        thinking=None,
    )
    zero = Sampling(frequency_penalty=0.0, presence_penalty=0.0)
    assert added(extra=nothing, sampling=zero) == {}
    assert dropped_by(extra=nothing, sampling=zero) == ()


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("modalities", ["text", "audio"], "unsupported_value"),
        ("web_search_options", {}, "unsupported_parameter"),
        ("response_format", {"type": "grammar"}, "unsupported_value"),
        ("reasoning_effort", 5, "invalid_type"),
        ("thinking", "on", "invalid_type"),
        ("top_k", 1.5, "invalid_type"),
        ("top_k", True, "invalid_type"),
    ],
)
def test_what_an_answer_would_be_misleading_without_is_refused(
    field: str, value: object, code: str
) -> None:
    failure = refusal_of(extra=extra(**{field: value}))
    assert (failure.kind, failure.param, failure.code) == (FailureKind.INVALID_REQUEST, field, code)
    assert f"`{field}`" in failure.message


@pytest.mark.parametrize(
    ("sampling", "field", "code"),
    [
        (Sampling(choices=2), "n", "unsupported_value"),
        (Sampling(top_logprobs=0), "logprobs", "unsupported_parameter"),
    ],
)
def test_what_no_answer_has_is_refused(sampling: Sampling, field: str, code: str) -> None:
    failure = refusal_of(sampling=sampling)
    assert (failure.kind, failure.param, failure.code) == (FailureKind.INVALID_REQUEST, field, code)


def test_everything_else_is_dropped_by_name() -> None:
    fields = extra(
        logit_bias={"1": 1},
        verbosity="low",
        prediction={"type": "content", "content": "x"},
        prompt_cache_key="k",
        audio={"voice": "x"},
        min_p=0.1,
        output_config={"effort": "max"},
    )
    assert added(extra=fields) == {}
    assert sorted(dropped_by(extra=fields)) == sorted(fields)


def test_what_is_no_json_is_dropped_and_never_lost() -> None:
    broken = {"user": b"{", "verbosity": b"{", "modalities": b"["}
    assert added(extra=broken) == {}
    assert sorted(dropped_by(extra=broken)) == sorted(broken)


SCHEMA: Json = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}


def test_an_answers_schema_is_kept() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    assert added(extra=extra(response_format=wanted)) == {
        "output_config": {
            "format": {
                "type": "json_schema",
                "schema": {
                    "type": "object",
                    "properties": {"a": {"type": "integer", "description": '{"minimum":1}'}},
                    "additionalProperties": False,
                },
            }
        }
    }


@pytest.mark.parametrize(
    "wanted", [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "x"}}]
)
def test_some_json_object_is_asked_for_in_words(wanted: Json) -> None:
    fields = extra(response_format=wanted)
    assert added(extra=fields) == {"system": JSON_OBJECT}
    body = asked(entries=(SystemEntry("Be brief."), UserEntry("Hi")), extra=fields)
    assert body["system"] == f"Be brief.\n\n{JSON_OBJECT}"
    assert dropped_by(extra=fields) == ()


@pytest.mark.parametrize(
    ("fields", "user", "dropped"),
    [
        ({"user": "u"}, "u", ()),
        ({"safety_identifier": "s"}, "s", ()),
        ({"safety_identifier": "s", "user": "u"}, "s", ("user",)),
        ({"user": ""}, None, ("user",)),
        ({"user": {"name": "ann"}}, None, ("user",)),
        ({"safety_identifier": 5, "user": "u"}, "u", ("safety_identifier",)),
    ],
)
def test_who_asks_is_passed_on(fields: Json, user: str | None, dropped: tuple[str, ...]) -> None:
    metadata = {"metadata": {"user_id": user}} if user else {}
    assert added(extra=extra(**fields)) == metadata
    assert dropped_by(extra=extra(**fields)) == dropped


@pytest.mark.parametrize(
    ("tier", "sent"),
    [
        ("auto", "auto"),
        ("priority", "auto"),
        ("default", "standard_only"),
        ("standard_only", "standard_only"),
        ("flex", None),
        ("fast", None),
        (5, None),
    ],
)
def test_tiers_that_the_api_has_are_kept(tier: object, sent: str | None) -> None:
    fields = extra(service_tier=tier)
    assert added(extra=fields) == ({"service_tier": sent} if sent else {})
    assert dropped_by(extra=fields) == (() if sent else ("service_tier",))


def test_a_mark_for_the_cache_is_passed_on() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    assert added(extra=extra(cache_control=mark)) == {"cache_control": mark}


def test_null_is_no_value() -> None:
    fields = {"seed": b" null ", "verbosity": b"null"}
    assert dropped_by(extra=fields) == ()
