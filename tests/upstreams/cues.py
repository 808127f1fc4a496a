"""What the model of an upstream says: a pure function of what it hears.

It plays the last thing that it is told. A user's message that is a JSON object is a cue, which says
what to play; tool results are read out; a demanded tool is called and a demanded schema followed with
values of the right types; anything else is repeated, with its number.
"""

from itertools import takewhile

import msgspec

from tests.upstreams.speech import Called, Heard, Json, Reason, Refused, Spoken, Tokens


class Cue(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What to play; `call` are tools and their arguments, of which those that are offered are called."""

    say: str = ""
    think: str = ""
    refuse: str = ""
    call: list[tuple[str, Json]] = []
    stop: Reason = "stop"
    tokens: Tokens | None = None


def cue(
    say: str = "",
    *,
    think: str = "",
    refuse: str = "",
    call: list[tuple[str, Json]] | None = None,
    stop: Reason = "stop",
    tokens: Tokens | None = None,
) -> str:
    """Return a user's message that is a cue."""
    return msgspec.json.encode(Cue(say, think, refuse, call or [], stop, tokens)).decode()


def echo(text: str, nth: int = 1) -> str:
    """Return what is said to a user's nth message that is no cue."""
    return f"{text}? That was number {nth}."


def play(heard: Heard) -> Spoken:
    """Return the answer."""
    last = heard.messages[-1]
    if last.role == "tool":
        results = list(takewhile(lambda m: m.role == "tool", reversed(heard.messages)))
        read_out = "; ".join(f"{m.tool} said: {m.text}" for m in reversed(results))
        return _counted(heard, Spoken(read_out))
    if last.text.startswith("{"):
        spoken, tokens = _cued(heard, last.text)
        if spoken.calls or heard.choice in {"auto", "none"}:
            return _counted(heard, spoken, tokens)
    if heard.choice not in {"auto", "none"}:
        name = next(iter(heard.tools)) if heard.choice == "required" else heard.choice
        arguments = msgspec.convert(instance(heard.tools[name]), Json)
        return _counted(heard, Spoken(calls=(Called(name, arguments),)))
    if heard.schema is not None:
        text = msgspec.json.encode(instance(heard.schema)).decode()
        return _counted(heard, Spoken(text))
    nth = sum(message.role == "user" for message in heard.messages)
    return _counted(heard, Spoken(echo(last.text, nth)))


def _cued(heard: Heard, text: str) -> tuple[Spoken, Tokens | None]:
    try:
        wanted = msgspec.json.decode(text, type=Cue)
    except msgspec.DecodeError as error:
        raise Refused(500, f"This is no cue: {error}") from error
    offered = {} if heard.choice == "none" else heard.tools
    calls = [Called(name, arguments) for name, arguments in wanted.call if name in offered]
    spoken = Spoken(
        text=wanted.say,
        thinking=wanted.think if heard.thinks else "",
        refusal=wanted.refuse,
        calls=tuple(calls if heard.parallel else calls[:1]),
        reason=wanted.stop,
    )
    return spoken, wanted.tokens


def _counted(heard: Heard, spoken: Spoken, tokens: Tokens | None = None) -> Spoken:
    if tokens is None:
        prompt = sum(len(message.text.split()) for message in heard.messages)
        completion = len(spoken.words) + len(spoken.calls)
        tokens = Tokens(prompt + len(heard.system.split()), completion)
    return msgspec.structs.replace(spoken, tokens=tokens)


class _Schema(msgspec.Struct):
    """A JSON schema, as far as schemas of tests go."""

    type: str = "object"
    properties: dict[str, "_Schema"] = {}
    items: "_Schema | None" = None
    enum: list[object] = []


_VALUES: dict[str, object] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True}


def instance(schema: Json) -> object:
    """Return a value that a schema allows."""
    return _instance(msgspec.convert(schema, _Schema))


def _instance(schema: _Schema) -> object:
    if schema.enum:
        return schema.enum[0]
    if schema.type == "object":
        return {name: _instance(inner) for name, inner in schema.properties.items()}
    if schema.type == "array":
        return [_instance(schema.items or _Schema("string"))]
    return _VALUES[schema.type]
