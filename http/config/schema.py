"""The file's shape: which keys stand where, of which type, within which bounds.

A field is one key, in camelCase; None means that the file does not say. What takes more than one
value to judge, or the environment, is not here but where it is resolved.
"""

from typing import Annotated, ClassVar, Literal

import msgspec

from greenroom.actors.draft import Shortening
from greenroom.actors.settings import (
    AgentSettings,
    Cooldown,
    HouseSettings,
    ProviderSettings,
    Retry,
    Secret,
    SessionLimits,
    TimeLimits,
)
from greenroom.actors.stores.records import Retention
from greenroom.http.config import ignored
from greenroom.http.config.configuration import (
    FailureLimits,
    Http1,
    HttpLimits,
    ImageLimits,
    LogFormat,
    LogLevel,
)

Api = Literal["openai-completions", "anthropic-messages", "ollama", "scripted"]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Count = Annotated[int, msgspec.Meta(ge=1)]
CountFromZero = Annotated[int, msgspec.Meta(ge=0)]
Bytes = Annotated[int, msgspec.Meta(ge=1024, le=1024**3)]
HeadBytes = Annotated[int, msgspec.Meta(ge=1024, le=1024**2)]
Depth = Annotated[int, msgspec.Meta(ge=1, le=256)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
SecondsOrForever = Annotated[float, msgspec.Meta(ge=0)]
Milliseconds = Annotated[float, msgspec.Meta(gt=0)]
Price = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Name = Annotated[str, msgspec.Meta(min_length=1)]

_FAILURES = FailureLimits()
_IMAGES = ImageLimits()
_LIMITS = HttpLimits()
_TIMES = TimeLimits()
_SESSIONS = SessionLimits()
_RETENTION = Retention()
_SHORTENING = Shortening()
_RETRY = Retry()
_COOLDOWN = Cooldown()
_HOUSE = HouseSettings(agents=(), default_agent="", providers=())
_PROVIDER = ProviderSettings(id="", api="scripted")
_AGENT = AgentSettings(id="", model="")


class Section(msgspec.Struct, frozen=True, rename="camel"):
    """An object of the file; `ignores` names the keys that may stand in it without effect."""

    ignores: ClassVar[frozenset[str]] = frozenset()


class RateLimit(Section, frozen=True):
    """`gateway.auth.rateLimit`: of failed authentications, per address."""

    max_attempts: Count = _FAILURES.attempts
    window_ms: Milliseconds = _FAILURES.window * 1000
    lockout_ms: Milliseconds = _FAILURES.lockout * 1000
    exempt_loopback: bool = _FAILURES.exempt_loopback


class Auth(Section, frozen=True):
    """`gateway.auth`."""

    ignores = ignored.GATEWAY_AUTH
    mode: Literal["token", "password", "none"] | None = None
    token: Secret | None = None
    token_file: Name | None = None
    password: Secret | None = None
    password_file: Name | None = None
    rate_limit: RateLimit = RateLimit()


class Images(Section, frozen=True):
    """`gateway.http.endpoints.chatCompletions.images`: of images that a request names by URL."""

    allow_url: bool = _IMAGES.allow_url
    url_allowlist: tuple[Name, ...] = _IMAGES.url_allowlist
    max_urls: Count = _IMAGES.max_urls
    max_bytes: Bytes = _IMAGES.max_bytes
    max_redirects: CountFromZero = _IMAGES.max_redirects
    timeout_ms: Milliseconds = _IMAGES.timeout * 1000
    allowed_mimes: tuple[Name, ...] = _IMAGES.allowed_types


class ChatCompletions(Section, frozen=True):
    """`gateway.http.endpoints.chatCompletions`."""

    ignores = ignored.CHAT_COMPLETIONS
    enabled: bool = False
    session_from_user: bool = True
    images: Images = Images()


class Responses(Section, frozen=True):
    """`gateway.http.endpoints.responses`, which conversations belong to."""

    ignores = ignored.RESPONSES
    enabled: bool = False
    session_from_user: bool = True


class Endpoints(Section, frozen=True):
    """`gateway.http.endpoints`."""

    chat_completions: ChatCompletions = ChatCompletions()
    responses: Responses = Responses()


class Limits(Section, frozen=True):
    """`gateway.http.limits`."""

    max_body_bytes: Bytes = _LIMITS.max_body_bytes
    body_timeout_seconds: Seconds = _LIMITS.body_timeout
    heartbeat_seconds: Seconds = _LIMITS.heartbeat
    first_event_seconds: Seconds = _LIMITS.first_event
    shutdown_seconds: Seconds = _LIMITS.shutdown
    max_json_depth: Depth = _LIMITS.max_json_depth
    max_connections: Count = _LIMITS.max_connections
    max_connections_per_address: Count = _LIMITS.max_connections_per_address
    keep_alive_seconds: Seconds = _LIMITS.keep_alive
    max_head_bytes: HeadBytes = _LIMITS.max_head_bytes
    max_request_line_bytes: HeadBytes = _LIMITS.max_request_line_bytes
    max_headers: Count = _LIMITS.max_headers
    head_timeout_seconds: Seconds = _LIMITS.head_timeout
    write_timeout_seconds: Seconds = _LIMITS.write_timeout


class Cors(Section, frozen=True):
    """`gateway.http.cors`."""

    origins: tuple[Name, ...] = ()


class Http(Section, frozen=True):
    """`gateway.http`."""

    ignores = ignored.GATEWAY_HTTP
    endpoints: Endpoints = Endpoints()
    limits: Limits = Limits()
    hosts: tuple[Name, ...] = ()
    cors: Cors = Cors()
    http1: Http1 = "httptools"


class Tls(Section, frozen=True):
    """`gateway.tls`."""

    ignores = ignored.GATEWAY_TLS
    enabled: bool = False
    cert_path: Name | None = None
    key_path: Name | None = None


class Gateway(Section, frozen=True):
    """`gateway`."""

    ignores = ignored.GATEWAY
    port: Port | None = None
    bind: str = "loopback"
    custom_bind_host: str | None = None
    auth: Auth = Auth()
    tls: Tls = Tls()
    http: Http = Http()


class Cost(Section, frozen=True):
    """`models.providers.<id>.models[].cost`: money per million tokens."""

    ignores = ignored.COST
    input: Price = 0.0
    output: Price = 0.0
    cache_read: Price = 0.0
    cache_write: Price = 0.0


class Model(Section, frozen=True):
    """`models.providers.<id>.models[]`; sizes in tokens."""

    ignores = ignored.MODEL
    id: Name
    name: Name | None = None
    reasoning: bool = False
    input: tuple[Literal["text", "image", "audio", "video"], ...] = ("text",)
    cost: Cost | None = None
    context_window: Count | None = None
    max_tokens: Count | None = None


class Timeouts(Section, frozen=True):
    """`models.providers.<id>.timeouts`."""

    connect: Seconds = _TIMES.connect
    first_byte: Seconds | None = None
    silence: Seconds = _TIMES.silence


class RetrySection(Section, frozen=True):
    """`models.providers.<id>.retry`; what it does not say depends on the api."""

    times: CountFromZero | None = None
    first_seconds: Seconds = _RETRY.first
    most_seconds: Seconds = _RETRY.most


class CooldownSection(Section, frozen=True):
    """`models.providers.<id>.cooldown`; what it does not say depends on the api."""

    failures: CountFromZero | None = None
    seconds: Seconds = _COOLDOWN.seconds
    most_seconds: Seconds = _COOLDOWN.most


class Provider(Section, frozen=True):
    """`models.providers.<id>`."""

    ignores = ignored.PROVIDER
    api: Api | None = None
    base_url: str | None = None
    api_key: Secret | None = None
    headers: dict[str, Secret] = {}
    models: tuple[Model, ...] = ()
    timeouts: Timeouts = Timeouts()
    max_concurrent: Count = _PROVIDER.max_concurrent
    max_waiting: CountFromZero = _PROVIDER.max_waiting
    retry: RetrySection = RetrySection()
    cooldown: CooldownSection = CooldownSection()


class Models(Section, frozen=True):
    """`models`."""

    ignores = ignored.MODELS
    providers: dict[str, Provider] = {}
    aliases: dict[str, Name] = {}
    patterns: dict[str, Name] = {}
    patience_seconds: Seconds = _HOUSE.patience


class ModelChoice(Section, frozen=True):
    """A model, and those to go on with where it fails."""

    primary: str | None = None
    fallbacks: tuple[str, ...] | None = None


class Window(Section, frozen=True):
    """`agents.defaults.window`: how prompts are made shorter; shares of a model's window."""

    compact_at: Share = _SHORTENING.at
    keep: Share = _SHORTENING.keep
    max_tool_result: Share = _SHORTENING.result
    summary_seconds: Seconds = _SHORTENING.seconds
    summary_tokens: Count = _SHORTENING.tokens


class Tools(Section, frozen=True):
    """`agents.*.tools`: which tools an agent has, by patterns of their names."""

    ignores = ignored.TOOLS
    allow: tuple[Name, ...] = _AGENT.tools.allow
    deny: tuple[Name, ...] = ()
    approve: tuple[Name, ...] = ()


class TurnLimits(Section, frozen=True):
    """`agents.*.limits`: how far one turn may go."""

    steps: Count = _AGENT.bounds.steps
    tokens: Count | None = None
    cost: Price | None = None


class SamplingSection(Section, frozen=True):
    """`agents.*.sampling`: what a request that says nothing else has."""

    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    max_tokens: Count | None = None


class AgentDefaults(Section, frozen=True):
    """`agents.defaults`; a time of 0 is no limit."""

    ignores = ignored.AGENT_DEFAULTS
    model: str | ModelChoice | None = None
    instructions: str | None = None
    instructions_file: Name | None = None
    timeout_seconds: SecondsOrForever = _AGENT.time_limit
    window: Window = Window()
    tools: Tools = Tools()
    limits: TurnLimits = TurnLimits()
    sampling: SamplingSection = SamplingSection()
    approval_hours: Annotated[float, msgspec.Meta(gt=0)] = _AGENT.approval_expires / 3600
    asks: tuple[Name, ...] = ()
    ask_seconds: Seconds = _AGENT.ask_seconds
    reminders: bool = False


class Agent(Section, frozen=True):
    """`agents.entries.<id>`; what it does not say, the defaults say."""

    ignores = ignored.AGENT
    default: bool = False
    name: Name | None = None
    model: str | ModelChoice | None = None
    instructions: str | None = None
    instructions_file: Name | None = None
    timeout_seconds: SecondsOrForever | None = None
    tools: Tools | None = None
    limits: TurnLimits | None = None
    sampling: SamplingSection | None = None
    approval_hours: Annotated[float, msgspec.Meta(gt=0)] | None = None
    asks: tuple[Name, ...] | None = None
    ask_seconds: Seconds | None = None
    reminders: bool | None = None


class ListedAgent(Agent, frozen=True, kw_only=True):
    """`agents.list[]`, the older way to write an agent."""

    ignores = ignored.AGENT
    id: str


class Agents(Section, frozen=True):
    """`agents`."""

    ignores = ignored.AGENTS
    defaults: AgentDefaults = AgentDefaults()
    entries: dict[str, Agent] | None = None
    list: tuple[ListedAgent, ...] | None = None


class ResetSection(Section, frozen=True):
    """`sessions.reset`: when a session begins anew by itself; nothing said is never."""

    idle_minutes: Annotated[float, msgspec.Meta(gt=0)] | None = None
    daily_at: str | None = None


class RetentionSection(Section, frozen=True):
    """`sessions.retention`; nothing said is kept for ever."""

    idle_days: Annotated[float, msgspec.Meta(gt=0)] | None = None
    max_bytes: Annotated[int, msgspec.Meta(ge=1024 * 1024)] | None = None
    replay_hours: Annotated[float, msgspec.Meta(gt=0)] = _RETENTION.replay / 3600


class Sessions(Section, frozen=True):
    """`sessions`."""

    max_waiting_turns: Count = _SESSIONS.waiting_turns
    max_live: Count = _SESSIONS.live_sessions
    idle_seconds: Seconds = _SESSIONS.idle
    reset: ResetSection = ResetSection()
    retention: RetentionSection = RetentionSection()


class Store(Section, frozen=True):
    """`store`."""

    path: Name | None = None


class Logging(Section, frozen=True):
    """`logging`."""

    ignores = ignored.LOGGING
    level: LogLevel = "info"
    format: LogFormat | None = None
    console_style: Literal["pretty", "compact", "json"] | None = None


class File(Section, frozen=True):
    """The whole file."""

    ignores = ignored.ROOT
    gateway: Gateway = Gateway()
    models: Models = Models()
    agents: Agents = Agents()
    sessions: Sessions = Sessions()
    store: Store = Store()
    logging: Logging = Logging()
