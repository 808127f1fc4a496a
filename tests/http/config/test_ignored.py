from collections.abc import Callable, Iterator

import pytest
from msgspec import inspect

from greenroom.http.config import Configuration, IgnoredKey, schema
from greenroom.http.config.schema import Section

Load = Callable[..., Configuration]
Problems = Callable[..., list[str]]


def sections(kind: type[Section] = schema.File) -> Iterator[type[Section]]:
    yield kind
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    pending = [field.type for field in info.fields]
    while pending:
        match pending.pop():
            case inspect.StructType(cls=cls):
                assert issubclass(cls, Section)
                yield from sections(cls)
            case inspect.DictType(value_type=inner) | inspect.VarTupleType(item_type=inner):
                pending.append(inner)
            case inspect.UnionType(types=options):
                pending.extend(options)
            case _:
                pass


def test_keys_of_theirs_are_listed_once_with_their_lines(load_text: Load) -> None:
    configuration = load_text(
        """{
  $schema: "x",
  channels: { anything: { port: "abc", "a b": [${ }] } },
  gateway: {
    mode: "local",
    auth: { allowTailscale: true },
    http: { securityHeaders: {}, endpoints: { chatCompletions: { maxBodyBytes: 9 } } },
    tls: { autoGenerate: true },
  },
  models: { mode: "merge", providers: { p: {
    baseUrl: "http://h",
    authHeader: true,
    models: [{ id: "m", compat: {}, cost: { tieredPricing: [] } }],
  } } },
  agents: { defaults: { workspace: "~" }, list: [{ id: "a" }, { id: "b", tools: { exec: {} } }] },
  logging: { file: "x" },
  tools: {},
}""".replace("${ }", '"${ }"')
    )
    assert configuration.ignored == (
        IgnoredKey("$schema", 2),
        IgnoredKey("channels", 3),
        IgnoredKey("gateway.mode", 5),
        IgnoredKey("gateway.auth.allowTailscale", 6),
        IgnoredKey("gateway.http.securityHeaders", 7),
        IgnoredKey("gateway.http.endpoints.chatCompletions.maxBodyBytes", 7),
        IgnoredKey("gateway.tls.autoGenerate", 8),
        IgnoredKey("models.mode", 10),
        IgnoredKey("models.providers.p.authHeader", 12),
        IgnoredKey("models.providers.p.models[0].compat", 13),
        IgnoredKey("models.providers.p.models[0].cost.tieredPricing", 13),
        IgnoredKey("agents.defaults.workspace", 15),
        IgnoredKey("agents.list[1].tools.exec", 15),
        IgnoredKey("logging.file", 16),
        IgnoredKey("tools", 17),
    )


@pytest.mark.parametrize(
    ("text", "ignored"),
    [
        ("{gateway: {http: {endpoints: {responses: {enabled: true, files: {}}}}}}",
         ["gateway.http.endpoints.responses.files"]),
        ("{logging: {consoleStyle: 'json', format: 'json'}}", ["logging.consoleStyle"]),
        ("{logging: {consoleStyle: 'json'}}", []),
    ],
)  # fmt: skip
def test_what_is_accepted_and_not_followed_is_listed_where_it_would_matter(
    load_text: Load, text: str, ignored: list[str]
) -> None:
    assert [key for key, _ in load_text(text).ignored] == ignored


@pytest.mark.parametrize("section", list(dict.fromkeys(sections())))
def test_no_key_is_both_ours_and_ignored(section: type[Section]) -> None:
    info = inspect.type_info(section)
    assert isinstance(info, inspect.StructType)
    assert section.ignores.isdisjoint(field.encode_name for field in info.fields)


def test_what_is_ignored_in_one_place_is_unknown_in_another(problems_of: Problems) -> None:
    (problem,) = problems_of("{gateway: {channels: {}}}")
    assert problem.startswith("greenroom.json5:1: gateway.channels: unknown key; ")
