"""Python functions as tools: what a model is told of one comes from its signature and its docstring.

    @tool
    async def weather(city: str, days: int = 1) -> str:
        \"\"\"Tell the weather.

        Args:
            city: Its English name.
        \"\"\"

Parameters may have any type that msgspec can decode, and what a model sends is held to it. A parameter
of type `Call` is no one's to send: it is the call itself. A plain function runs in a thread, which goes
on by itself if the call is cancelled.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Generic, ParamSpec, TypeVar, cast, get_type_hints, overload

import msgspec
import trio

from greenroom.actors.tools.tool import Call, InnerTool, ToolFailed, Work

P = ParamSpec("P")
R = TypeVar("R")

THREADS = 32
"""Plain functions of one host that run at once; each takes a thread."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SECTION = re.compile(r"^\s*(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?):\s*$", re.M)
_ARGUMENT = re.compile(r"^ {4}(?P<name>\w+)(?: \([^)]*\))?: (?P<text>.+(?:\n {5,}\S.*)*)", re.M)


class FunctionTool(Generic[P, R]):
    """A function that models can call; to call it from Python is to call the function itself."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None,
        description: str | None,
        seconds: float,
        needs_approval: bool,
    ) -> None:
        self._function = function
        called = getattr(function, "__name__", type(function).__name__)
        self.name = name or called
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} is no name for a tool: use 1 to 64 letters, digits, '_' and '-'"
            )
        text = inspect.cleandoc(function.__doc__ or "")
        self.description = description or _SECTION.split(text)[0].strip()
        if not self.description:
            raise ValueError(
                f"tool {self.name!r} says nothing of what it does: give it a docstring or a description"
            )
        self._seconds = seconds
        self._needs_approval = needs_approval
        self._arguments, self._context = _arguments_of(function, self.name, text)
        self._decode = msgspec.json.Decoder(self._arguments).decode
        self.parameters = _schema_of(self._arguments)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)

    def bind(self, threads: trio.CapacityLimiter) -> InnerTool:
        """Return the tool that runs this function, in one of these threads if it is a plain one."""
        return InnerTool(
            self.name,
            self.description,
            self.parameters,
            self._work(threads),
            self._seconds,
            self._needs_approval,
        )

    def _work(self, threads: trio.CapacityLimiter) -> Work:
        function = cast("Callable[..., object]", self._function)
        is_async = inspect.iscoroutinefunction(inspect.unwrap(function))

        async def work(call: Call) -> str:
            given = self._given(call)
            if is_async:
                result = await cast("Awaitable[object]", function(**given))
            else:
                result = await trio.to_thread.run_sync(
                    partial(function, **given), abandon_on_cancel=True, limiter=threads
                )
            return as_text(result)

        return work

    def _given(self, call: Call) -> dict[str, Any]:
        try:
            arguments = self._decode(call.arguments)
        except msgspec.ValidationError as error:
            raise ToolFailed(f"the arguments do not fit: {error}") from None
        given = {name: getattr(arguments, name) for name in self._arguments.__struct_fields__}
        return given | dict.fromkeys(self._context, call)


AnyTool = FunctionTool[..., Any]


@overload
def tool(function: Callable[P, R], /) -> FunctionTool[P, R]: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    seconds: float = 60.0,
    needs_approval: bool = False,
) -> Callable[[Callable[P, R]], FunctionTool[P, R]]: ...


def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    seconds: float = 60.0,
    needs_approval: bool = False,
) -> FunctionTool[P, R] | Callable[[Callable[P, R]], FunctionTool[P, R]]:
    """Make a tool of a function, plain or async; see the module for what becomes of its signature.

    A call may take `seconds`, and one that `needs_approval` waits for a person's yes.

    Raises:
        ValueError: it has no docstring, or a name that no tool can have.
        TypeError: a parameter has no type, or one that JSON cannot carry.
    """

    def make(function: Callable[P, R]) -> FunctionTool[P, R]:
        return FunctionTool(
            function,
            name=name,
            description=description,
            seconds=seconds,
            needs_approval=needs_approval,
        )

    return make if function is None else make(function)


class Functions:
    """A host of functions; its plain ones share so many threads."""

    def __init__(self, tools: Sequence[AnyTool], threads: int = THREADS) -> None:
        limiter = trio.CapacityLimiter(threads)
        self._tools = tuple(one.bind(limiter) for one in tools)

    def tools(self) -> Sequence[InnerTool]:
        """Return them."""
        return self._tools


def as_text(result: object) -> str:
    """Return what a model is told of a result: a text as it is, anything else as JSON."""
    return result if isinstance(result, str) else msgspec.json.encode(result).decode()


def _arguments_of(
    function: Callable[..., object], name: str, text: str
) -> tuple[type[msgspec.Struct], Sequence[str]]:
    """Return a struct of what a model sends, and the parameters that are the call itself."""
    hints = get_type_hints(function, include_extras=True)
    described = _described(text)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    context: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in hints or parameter.kind in _UNNAMED:
            raise TypeError(f"tool {name!r}: parameter {parameter.name!r} has no name or no type")
        hint = hints[parameter.name]
        if hint is Call:
            context.append(parameter.name)
            continue
        if parameter.name in described:
            hint = Annotated[hint, msgspec.Meta(description=described[parameter.name])]
        if parameter.default is parameter.empty:
            fields.append((parameter.name, hint))
        else:
            fields.append((parameter.name, hint, _default(parameter.default)))
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True), context


_UNNAMED = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


def _default(value: object) -> object:
    """Return a default that no two calls share."""
    if isinstance(value, list | dict | set | bytearray):
        return msgspec.field(default_factory=value.copy)
    return value


def _described(text: str) -> Mapping[str, str]:
    """Return what a docstring says of each parameter."""
    sections = _SECTION.split(text)
    for heading, body in zip(sections[1::2], sections[2::2], strict=True):
        if heading in {"Args", "Arguments", "Parameters"}:
            return {
                found["name"]: " ".join(found["text"].split()) for found in _ARGUMENT.finditer(body)
            }
    return {}


def _schema_of(arguments: type[msgspec.Struct]) -> bytes:
    try:
        (schema,), parts = msgspec.json.schema_components(
            (arguments,), ref_template="#/$defs/{name}"
        )
    except TypeError as error:
        what = f"tool {arguments.__name__!r} has a parameter that JSON cannot carry: {error}"
        raise TypeError(what) from None
    top = parts.pop(schema["$ref"].removeprefix("#/$defs/"))
    top.pop("title", None)
    return msgspec.json.encode(top | ({"$defs": parts} if parts else {}))
