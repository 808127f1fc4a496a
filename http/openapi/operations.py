"""Every operation of the API, as a table: its path, what it takes and gives, and how it may fail."""

from typing import Literal

import msgspec

from greenroom.http import embeddings, errand_objects, session_objects, stored_objects, wire

Body = type[msgspec.Struct]
In = Literal["query", "path", "header"]
Schema = dict[str, object]

JSON = "application/json"
EVENTS = "text/event-stream"
LINES = "application/jsonl"
TEXT = "text/plain"


class Parameter(msgspec.Struct, frozen=True):
    """One parameter; those of the path are required."""

    name: str
    place: In
    schema: Schema
    about: str


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One of them: `takes` and `gives` are bodies in JSON, `streams` is what each event of a stream has.

    Without `gives` the answer is of the type `media`. `fails` are the statuses of its own failures.
    """

    method: Literal["get", "post", "delete"]
    path: str
    group: str
    about: str
    takes: Body | None = None
    takes_media: str = JSON
    gives: Body | None = None
    media: str = JSON
    streams: Body | None = None
    status: int = 200
    parameters: tuple[Parameter, ...] = ()
    fails: tuple[int, ...] = ()
    open: bool = False


_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "string", "enum": ["true", "false"]}
_TIME: Schema = {"type": "number", "minimum": 0}


def _count(most: int, default: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


def _query(name: str, schema: Schema, about: str) -> Parameter:
    return Parameter(name, "query", schema, about)


def _header(name: str, schema: Schema, about: str) -> Parameter:
    return Parameter(name, "header", schema, about)


def _path(name: str, about: str) -> Parameter:
    return Parameter(name, "path", {"type": "string", "minLength": 1}, about)


_ORDER = _query(
    "order", {"type": "string", "enum": ["asc", "desc"]}, "The oldest or the latest first."
)
_AFTER = _query("after", _TEXT, "The id that the page before ended with.")
_PAGE = (_query("limit", _count(100, 20), "How many at most."), _AFTER, _ORDER)
_SELECTING = (
    _header("x-openclaw-agent-id", _TEXT, "The agent; wins over the model field."),
    _header("x-openclaw-model", _TEXT, "The model that answers, whatever the model field says."),
)
_CHAT_HEADERS = (
    *_SELECTING,
    _header("x-openclaw-session-key", _TEXT, "The session."),
    _header(
        "Idempotency-Key",
        {"type": "string", "maxLength": 255},
        "The client's own name of the turn.",
    ),
    _header(
        "x-greenroom-on-busy",
        {"type": "string", "enum": ["enqueue", "reject", "interrupt", "rollback"]},
        "What a turn does to the one that runs.",
    ),
    _header(
        "x-greenroom-on-disconnect",
        {"type": "string", "enum": ["cancel", "continue"]},
        "What becomes of the turn when its client leaves.",
    ),
    _header("x-greenroom-fork-from", _TEXT, "The session that a new one begins with."),
    _header("x-greenroom-pin", _FLAG, "Whether the messages stay in every prompt."),
    _header(
        "x-greenroom-starting-after",
        {"type": "integer", "minimum": 0},
        "Go on with a stream behind that event; needs the `Idempotency-Key`.",
    ),
    _header(
        "x-greenroom-events",
        {"type": "string", "enum": ["omit", "include"]},
        "Whether a stream tells what happens beside the answer.",
    ),
    _header("x-greenroom-event-ids", _FLAG, "Whether the events of a stream are numbered."),
)
_COMPLETION = _path("completion_id", "The completion's id.")
_SESSION = (
    _path("key", "The session's key."),
    _query("agent", _TEXT, "The session's agent, if the key does not say."),
)
_ERRAND = _path("errand", "The errand's id.")
_CALLED = (402, 429, 502, 503, 504)
_STORED = (503,)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="post",
        path="/v1/chat/completions",
        group="Chat",
        about="Answer a conversation, whole or as a stream.",
        takes=wire.ChatRequest,
        gives=wire.Completion,
        streams=wire.Chunk,
        parameters=_CHAT_HEADERS,
        fails=(404, 408, 409, 413, 415, *_CALLED),
    ),
    Operation(
        method="get",
        path="/v1/chat/completions",
        group="Stored completions",
        about="List them.",
        gives=stored_objects.CompletionList,
        parameters=(
            *_PAGE,
            _query("model", _TEXT, "Only those of this model."),
            Parameter(
                "metadata",
                "query",
                {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "propertyNames": {"minLength": 1},
                },
                "Only those that have these pairs, written as `metadata[key]=value`.",
            ),
        ),
        fails=_STORED,
    ),
    Operation(
        method="get",
        path="/v1/chat/completions/{completion_id}",
        group="Stored completions",
        about="Read one.",
        gives=wire.Completion,
        parameters=(_COMPLETION,),
        fails=(404, *_STORED),
    ),
    Operation(
        method="post",
        path="/v1/chat/completions/{completion_id}",
        group="Stored completions",
        about="Give one other metadata.",
        takes=stored_objects.MetadataUpdate,
        gives=wire.Completion,
        parameters=(_COMPLETION,),
        fails=(404, 408, 413, *_STORED),
    ),
    Operation(
        method="delete",
        path="/v1/chat/completions/{completion_id}",
        group="Stored completions",
        about="Delete one that is no part of a session.",
        gives=stored_objects.CompletionDeleted,
        parameters=(_COMPLETION,),
        fails=(404, 409, *_STORED),
    ),
    Operation(
        method="get",
        path="/v1/chat/completions/{completion_id}/messages",
        group="Stored completions",
        about="Read what one was asked for with.",
        gives=stored_objects.MessageList,
        parameters=(_COMPLETION, *_PAGE),
        fails=(404, *_STORED),
    ),
    Operation(
        method="post",
        path="/v1/embeddings",
        group="Embeddings",
        about="Turn texts into vectors.",
        takes=embeddings.EmbeddingRequest,
        gives=embeddings.EmbeddingList,
        parameters=_SELECTING,
        fails=(404, 408, 413, 415, *_CALLED),
    ),
    Operation(
        method="get",
        path="/v1/models",
        group="Models",
        about="List what the model field can name.",
        gives=wire.ModelList,
    ),
    Operation(
        method="get",
        path="/v1/models/{model}",
        group="Models",
        about="Read one; its id may hold slashes.",
        gives=wire.Model,
        parameters=(_path("model", "The model's id."),),
        fails=(404,),
    ),
    Operation(
        method="get",
        path="/v1/sessions",
        group="Sessions",
        about="List them, the last active first.",
        gives=session_objects.SessionList,
        parameters=(
            _query("limit", _count(1000, 100), "How many at most."),
            _query("after", _TEXT, "The `next` of the page before."),
            _query("agent", _TEXT, "Only those of this agent."),
            _query("prefix", _TEXT, "Only those whose key begins so."),
            _query("active_since", _TIME, "Only those active since, in Unix seconds."),
            _query("active_before", _TIME, "Only those not active since, in Unix seconds."),
        ),
        fails=_STORED,
    ),
    Operation(
        method="post",
        path="/v1/sessions",
        group="Sessions",
        about="Import one from an export, under another key if one is given.",
        takes_media=LINES,
        gives=session_objects.SessionOut,
        status=201,
        parameters=(
            _query("key", _TEXT, "The key that it gets."),
            _query("agent", _TEXT, "The agent that it gets, if the key does not say."),
        ),
        fails=(404, 408, 409, 413, *_STORED),
    ),
    Operation(
        method="get",
        path="/v1/sessions/{key}",
        group="Sessions",
        about="Read one.",
        gives=session_objects.SessionOut,
        parameters=_SESSION,
        fails=(404, *_STORED),
    ),
    Operation(
        method="delete",
        path="/v1/sessions/{key}",
        group="Sessions",
        about="Delete one.",
        gives=session_objects.Deleted,
        parameters=_SESSION,
        fails=(404, 409, *_STORED),
    ),
    Operation(
        method="get",
        path="/v1/sessions/{key}/transcript",
        group="Sessions",
        about="Read what was said in one.",
        gives=session_objects.TranscriptOut,
        parameters=(
            *_SESSION,
            _query("limit", _count(1000, 100), "How many entries at most."),
            _query("after", {"type": "integer", "minimum": 0}, "The `next` of the page before."),
            _query("cut", _FLAG, "Whether entries that were cut are shown."),
        ),
        fails=(404, *_STORED),
    ),
    Operation(
        method="get",
        path="/v1/sessions/{key}/export",
        group="Sessions",
        about="Export one, a JSON object a line.",
        media=LINES,
        parameters=_SESSION,
        fails=(404, *_STORED),
    ),
    Operation(
        method="post",
        path="/v1/sessions/{key}/cancel",
        group="Sessions",
        about="End the turn that runs, and those that wait.",
        gives=session_objects.Cancelled,
        parameters=_SESSION,
        fails=(404, *_STORED),
    ),
    Operation(
        method="post",
        path="/v1/sessions/{key}/reset",
        group="Sessions",
        about="Begin the transcript anew.",
        gives=session_objects.SessionOut,
        parameters=_SESSION,
        fails=(404, 409, *_STORED),
    ),
    Operation(
        method="get",
        path="/v1/errands",
        group="Errands",
        about="List what sessions wait for: approvals, reminders, other agents' answers.",
        gives=errand_objects.ErrandList,
        parameters=(
            _query("limit", _count(1000, 100), "How many at most."),
            _AFTER,
            _query("session", _TEXT, "Only those of the session of this key."),
            _query("agent", _TEXT, "That session's agent, if the key does not say."),
        ),
        fails=_STORED,
    ),
    Operation(
        method="post",
        path="/v1/errands",
        group="Errands",
        about="Have a session reminded, once or by a schedule.",
        takes=errand_objects.ReminderIn,
        gives=errand_objects.ErrandOut,
        fails=(409, 413, *_STORED),
    ),
    Operation(
        method="get",
        path="/v1/errands/{errand}",
        group="Errands",
        about="Read one.",
        gives=errand_objects.ErrandOut,
        parameters=(_ERRAND,),
        fails=(404, *_STORED),
    ),
    Operation(
        method="delete",
        path="/v1/errands/{errand}",
        group="Errands",
        about="Call one off; its session hears nothing of it.",
        gives=errand_objects.Forgotten,
        parameters=(_ERRAND,),
        fails=(404, 409, *_STORED),
    ),
    Operation(
        method="post",
        path="/v1/errands/{errand}/decision",
        group="Errands",
        about="Decide an approval.",
        takes=errand_objects.DecisionIn,
        gives=errand_objects.ErrandOut,
        parameters=(_ERRAND,),
        fails=(404, 409, 413, *_STORED),
    ),
    Operation(
        method="get",
        path="/metrics",
        group="Operations",
        about="Read the counters, in the Prometheus text format.",
        media=TEXT,
    ),
    Operation(
        method="get",
        path="/health",
        group="Operations",
        about="Whether the process lives.",
        gives=wire.Health,
        open=True,
    ),
    Operation(
        method="get",
        path="/ready",
        group="Operations",
        about="Whether the agents answer; with the bearer, how many sessions each has alive.",
        gives=wire.Ready,
        open=True,
        fails=(503,),
    ),
)
"""All of them, in the order in which they are told; whoever adds an endpoint adds it here."""
