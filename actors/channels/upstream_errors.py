"""What the errors of upstreams mean, whichever API they speak: status, envelope and names to a `Failure`.

It knows the envelopes in use (an object with `error`, Gemini's list, a plain string, FastAPI's
`detail`, a flat `message`) and the names that stand in them; nothing of streams. Every text of an
upstream leaves it redacted and cut to size. Sources: platform.openai.com "Error codes";
platform.claude.com "Errors"; ai.google.dev "OpenAI compatibility"; the servers' own sources.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TypeGuard

import msgspec

from greenroom.actors.channels.loose import fields, items
from greenroom.actors.channels.redact import Redactor
from greenroom.actors.channels.retry_after import retry_after
from greenroom.actors.channels.wording import sentence
from greenroom.actors.failure import Failure, FailureKind, TurnFailed

TOO_LONG = "context_length_exceeded"
"""The code of a failure for which the prompt does not fit the model's window."""

_LONGEST_MESSAGE = 1000
"""Characters of an upstream's message that are passed on."""

_LONGEST_READ = 4 * _LONGEST_MESSAGE
"""Characters of it that are looked at: what is cut away first may well hold half a key."""

_BY_STATUS = {
    400: FailureKind.UPSTREAM_REJECTED,
    401: FailureKind.UPSTREAM_AUTHENTICATION,
    402: FailureKind.UPSTREAM_QUOTA,
    403: FailureKind.UPSTREAM_AUTHENTICATION,
    408: FailureKind.UPSTREAM_TIMEOUT,
    413: FailureKind.UPSTREAM_REJECTED,
    422: FailureKind.UPSTREAM_REJECTED,
    429: FailureKind.UPSTREAM_RATE_LIMITED,
    503: FailureKind.UPSTREAM_OVERLOADED,
    504: FailureKind.UPSTREAM_TIMEOUT,
    529: FailureKind.UPSTREAM_OVERLOADED,
}

_WINS_OVER_STATUS = {
    "insufficient_quota": FailureKind.UPSTREAM_QUOTA,
    "billing_error": FailureKind.UPSTREAM_QUOTA,
    "billing_hard_limit_reached": FailureKind.UPSTREAM_QUOTA,
    "billing_not_active": FailureKind.UPSTREAM_QUOTA,
    "contract_spend_limit_reached": FailureKind.UPSTREAM_QUOTA,
    "enforced_spend_limit_reached": FailureKind.UPSTREAM_QUOTA,
    "linked_organization_billing_unavailable": FailureKind.UPSTREAM_QUOTA,
    "linked_organization_spend_limit_reached": FailureKind.UPSTREAM_QUOTA,
    "invalid_api_key": FailureKind.UPSTREAM_AUTHENTICATION,
    "model_not_found": FailureKind.NOT_FOUND,
}

_BY_NAME = _WINS_OVER_STATUS | {
    "authentication_error": FailureKind.UPSTREAM_AUTHENTICATION,
    "authenticationerror": FailureKind.UPSTREAM_AUTHENTICATION,
    "permission_error": FailureKind.UPSTREAM_AUTHENTICATION,
    "permission_denied": FailureKind.UPSTREAM_AUTHENTICATION,
    "unauthenticated": FailureKind.UPSTREAM_AUTHENTICATION,
    "rate_limit_error": FailureKind.UPSTREAM_RATE_LIMITED,
    "rate_limit_exceeded": FailureKind.UPSTREAM_RATE_LIMITED,
    "ratelimiterror": FailureKind.UPSTREAM_RATE_LIMITED,
    "resource_exhausted": FailureKind.UPSTREAM_RATE_LIMITED,
    "overloaded": FailureKind.UPSTREAM_OVERLOADED,
    "upstream_overloaded": FailureKind.UPSTREAM_OVERLOADED,
    "overloaded_error": FailureKind.UPSTREAM_OVERLOADED,
    "server_is_overloaded": FailureKind.UPSTREAM_OVERLOADED,
    "service_unavailable_error": FailureKind.UPSTREAM_OVERLOADED,
    "slow_down": FailureKind.UPSTREAM_OVERLOADED,
    "service_unavailable": FailureKind.UPSTREAM_OVERLOADED,
    "unavailable": FailureKind.UPSTREAM_OVERLOADED,
    "deadline_exceeded": FailureKind.UPSTREAM_TIMEOUT,
    "gateway_timeout": FailureKind.UPSTREAM_TIMEOUT,
    "timeout": FailureKind.UPSTREAM_TIMEOUT,
    "upstream_timeout": FailureKind.UPSTREAM_TIMEOUT,
    "timeout_error": FailureKind.UPSTREAM_TIMEOUT,
    "badrequesterror": FailureKind.UPSTREAM_REJECTED,
    "content_filter": FailureKind.UPSTREAM_REJECTED,
    "context_length_exceeded": FailureKind.UPSTREAM_REJECTED,
    "exceed_context_size_error": FailureKind.UPSTREAM_REJECTED,
    "invalid_argument": FailureKind.UPSTREAM_REJECTED,
    "invalid_request_error": FailureKind.UPSTREAM_REJECTED,
    "request_too_large": FailureKind.UPSTREAM_REJECTED,
    "not_found": FailureKind.NOT_FOUND,
    "not_found_error": FailureKind.NOT_FOUND,
    "notfounderror": FailureKind.NOT_FOUND,
}
"""Codes, types and Google's statuses, in lower case; what is not here is the upstream's own trouble."""

_NOT_FOUND = {name for name, kind in _BY_NAME.items() if kind is FailureKind.NOT_FOUND}

_MEANT_BY_APIS = {400, 403, 422}
"""Statuses that tell about a request or a key only where an API gives them, and not a proxy's page."""

_KEEPS_WAIT = {FailureKind.UPSTREAM_RATE_LIMITED, FailureKind.UPSTREAM_OVERLOADED}

_TOO_LONG = re.compile(
    r"(maximum|max) context (length|size)|context[ _](length|window|size) (is |was |has been )?exceed"
    r"|exceeds? the (available |model'?s? )?(maximum )?context|prompt is too long|input is too long"
    r"|exceed context limit|longer than the context (length|size|window)"
    r"|input token count .{0,40}exceeds|reduce the length of the (messages|prompt|input)",
    re.IGNORECASE,
)
"""How upstreams without a code for it say that the prompt does not fit."""

_BAD_KEY = re.compile(r"(incorrect|invalid) api key|api key not valid", re.IGNORECASE)
"""How Google says with status 400 what others say with 401."""

_NO_CREDIT = re.compile(r"credit balance is too low", re.IGNORECASE)
"""How Anthropic says with status 400 what others say with 402."""

_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")

_NO_ROOM = re.compile(r"\boverloaded\b|\bserver busy\b", re.IGNORECASE)
"""How Ollama says in the middle of an answer, without a name for it, that there is no room."""


class _Report(msgspec.Struct, frozen=True):
    """What an envelope says; `names` are its code, type and status in lower case, the best first."""

    message: str = ""
    code: str | None = None
    param: str | None = None
    status: int | None = None
    names: tuple[str, ...] = ()

    @property
    def too_long(self) -> bool:
        """Whether the prompt does not fit into the model's context."""
        named = {"context_length_exceeded", "exceed_context_size_error"}.intersection(self.names)
        return bool(named or _TOO_LONG.search(self.message))


class UpstreamErrors:
    """Translates the errors of the upstream `provider`; `secrets` are those that we send it."""

    def __init__(self, provider: str, secrets: Iterable[str] = ()) -> None:
        self._provider = provider
        self._redact = Redactor(secrets)

    def of_response(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """Return what an answer of a status that is not 2xx means; header names are lower case."""
        page = "html" in headers.get("content-type", "").lower() or body.lstrip()[:1] == b"<"
        report = _Report() if page else _read(body)
        kind = _kind_of(status, report)
        if page and status in _MEANT_BY_APIS:
            kind = FailureKind.UPSTREAM_ERROR
        wait = retry_after(headers) if kind in _KEEPS_WAIT else None
        what = "a page that is not its API's" if page else "no explanation"
        return self._failure(kind, report, f"answered {status} with {what}", wait)

    def of_event(self, data: bytes) -> TurnFailed:
        """Return what an error that was sent as an answer, or in the middle of one, means."""
        report = _read(data)
        kind = _kind_of(report.status, report)
        return TurnFailed(self._failure(kind, report, "reported an error without a message"))

    def broken(self, what: str) -> TurnFailed:
        """Return the failure of an answer that is not as it should be; `what` is its verb phrase."""
        return TurnFailed.of(FailureKind.UPSTREAM_ERROR, self._say(what))

    def _failure(
        self, kind: FailureKind, report: _Report, otherwise: str, wait: float | None = None
    ) -> Failure:
        text = self._clean(report.message)
        message = text or self._say(otherwise)
        match kind:
            case FailureKind.UPSTREAM_REJECTED:
                code = TOO_LONG if report.too_long else report.code
                param = self._clean(report.param or "") or None
                return Failure(kind, message, param=param, code=code)
            case FailureKind.NOT_FOUND:
                return Failure(kind, message, param="model", code="model_not_found")
            case FailureKind.UPSTREAM_QUOTA:
                return Failure(kind, message, code="insufficient_quota")
            case FailureKind.UPSTREAM_AUTHENTICATION:
                # Neither its code nor its bare message: both would blame the caller's own key.
                said = f"refused our credentials: {text}" if text else "refused our credentials"
                return Failure(kind, self._say(said))
            case _:
                return Failure(kind, message, code=report.code, retry_after=wait)

    def _say(self, what: str) -> str:
        return sentence(self._provider, what)

    def _clean(self, text: str) -> str:
        if len(text) > _LONGEST_READ:
            text = text[:_LONGEST_READ].rpartition(" ")[0]
        text = _CONTROLS.sub(" ", self._redact(text)).strip()
        return text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 1]}…"


def _kind_of(status: int | None, report: _Report) -> FailureKind:
    """Return whose fault it is; without a status the names decide, or the message."""
    if status is None:
        return _kind_without_status(report)
    if 400 <= status < 500:
        for name in report.names:
            if name in _WINS_OVER_STATUS:
                return _WINS_OVER_STATUS[name]
    if status == 400 and _BAD_KEY.search(report.message):
        return FailureKind.UPSTREAM_AUTHENTICATION
    if status == 400 and _NO_CREDIT.search(report.message):
        return FailureKind.UPSTREAM_QUOTA
    if status == 404 and ("model" in report.message.lower() or _NOT_FOUND & {*report.names}):
        # Any other 404 means that there is no such endpoint below the configured address.
        return FailureKind.NOT_FOUND
    return _BY_STATUS.get(status, FailureKind.UPSTREAM_ERROR)


def _kind_without_status(report: _Report) -> FailureKind:
    for name in report.names:
        if name in _BY_NAME:
            return _BY_NAME[name]
    if report.too_long:
        return FailureKind.UPSTREAM_REJECTED
    no_room = _NO_ROOM.search(report.message)
    return FailureKind.UPSTREAM_OVERLOADED if no_room else FailureKind.UPSTREAM_ERROR


def _read(body: bytes) -> _Report:
    """Return what an envelope of any form says; what is not JSON is taken as the message itself."""
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        return _Report() if text[:1] in {"{", "[", "<"} else _Report(text)
    if listed := items(value):
        value = listed[0]
    if isinstance(value, str):
        return _Report(value)
    outer = fields(value)
    error = outer.get("error")
    # Groq puts an envelope into the envelope, in the middle of a stream.
    inner = fields(fields(error).get("error")) or fields(error) or outer
    code = inner.get("code") or fields(inner.get("details")).get("error_code")
    status = inner.get("status")
    names = [name for name in (code, inner.get("type"), status) if _is_name(name)]
    return _Report(
        message=_message(inner) or (error if isinstance(error, str) else ""),
        code=code if _is_name(code) else None,
        param=param if isinstance(param := inner.get("param"), str) else _location(inner),
        status=_status(code) or _status(status),
        names=tuple(name.lower() for name in names),
    )


def _message(error: dict[str, object]) -> str:
    """Return the message of an error: a text, or FastAPI's list of what is wrong with each field."""
    for key in ("message", "detail"):
        value = error.get(key)
        if isinstance(value, str) and value.strip():
            return value
        said = [fields(item).get("msg") for item in items(value)] or [fields(value).get("message")]
        if texts := [text for text in said if isinstance(text, str)]:
            return "; ".join(texts)
    return ""


def _location(error: dict[str, object]) -> str | None:
    """Return the field that FastAPI's first complaint is about."""
    for complaint in items(error.get("detail"))[:1]:
        path = [str(step) for step in items(fields(complaint).get("loc")) if step != "body"]
        return ".".join(path) or None
    return None


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(_NAME.fullmatch(value)) and not value.isdigit()


def _status(value: object) -> int | None:
    """Return an HTTP status that stands in an envelope, as a number or as its digits."""
    if isinstance(value, str) and value.isdigit() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and 400 <= value < 600 else None
