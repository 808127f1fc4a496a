"""The OpenAPI document as one page for people: HTML by itself, with no script and nothing to load."""

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from typing import Any

Json = dict[str, Any]

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }
code, .path { font-family: ui-monospace, monospace; font-size: .92em; }
nav ul { columns: 2; padding-left: 1rem; }
section { border-top: 1px solid var(--line); margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; }
tr + tr td { border-top: 1px solid var(--soft); }
.method { display: inline-block; min-width: 4rem; font-weight: 700; text-transform: uppercase; }
h3 { background: var(--soft); padding: .3rem .6rem; border-radius: .3rem; }
"""

STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
"""The digest of the page's one style sheet, by which a policy can allow that and nothing else."""


def page(document: Json) -> str:
    """Return the page."""
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    groups = [tag["name"] for tag in document["tags"]]
    parts = [
        "<!doctype html>\n<html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>{title}</title><style>{_STYLE}</style>",
        f"<h1>{title}</h1><p>{escape(info['description'])} ",
        "The same as a document: <a href='openapi.json'>openapi.json</a>.</p><nav><ul>",
        *(
            f"<li><a href='#{o['operationId']}'>{_verb(method, path)}</a>"
            for path, method, o in operations
        ),
        "</ul></nav>",
    ]
    for group in groups:
        parts.append(f"<section><h2>{escape(group)}</h2>")
        parts += [_operation(path, m, o) for path, m, o in operations if group in o["tags"]]
        parts.append("</section>")
    parts.append("<section><h2>Objects</h2>")
    parts += [_schema(*item) for item in document["components"]["schemas"].items()]
    parts.append("</section></html>\n")
    return "\n".join(parts)


def _verb(method: str, path: str) -> str:
    return f"<span class=method>{method}</span><span class=path>{escape(path)}</span>"


def _operation(path: str, method: str, operation: Json) -> str:
    parts = [
        f"<h3 id='{operation['operationId']}'>{_verb(method, path)}</h3>",
        f"<p>{_prose(operation['summary'])}</p>",
    ]
    if operation["parameters"]:
        rows = (
            (
                f"<code>{escape(p['name'])}</code>",
                p["in"],
                _type(p["schema"]),
                _prose(p["description"]),
            )
            for p in operation["parameters"]
        )
        parts.append(_table(("parameter", "in", "is", ""), rows))
    if "requestBody" in operation:
        parts.append(f"<p>Takes {_content(operation['requestBody']['content'])}.</p>")
    answers = (
        (status, _content(answer.get("content", {})), _prose(answer["description"]))
        for status, answer in operation["responses"].items()
    )
    parts.append(_table(("status", "gives", ""), answers))
    return "\n".join(parts)


def _content(content: Json) -> str:
    return " or ".join(
        f"{_type(media['schema'])} as <code>{escape(name)}</code>"
        for name, media in content.items()
    )


def _schema(name: str, schema: Json) -> str:
    required = schema.get("required", ())
    rows = (
        (
            f"<code>{escape(field)}</code>{'' if field in required else ' <small>optional</small>'}",
            _type(said),
            _prose(said.get("description", "")),
        )
        for field, said in schema.get("properties", {}).items()
    )
    about = _prose(schema.get("description", ""))
    return f"<h3 id='schema-{name}'>{name}</h3><p>{about}</p>{_table(('field', 'is', ''), rows)}"


def _type(schema: Json) -> str:
    """Return what a value may be, in a few words, with links to objects."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"<a href='#schema-{name}'>{name}</a>"
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(map(_type, schema["anyOf"])))
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    return f"{_kind(schema)}{_bounds(schema)}"


def _kind(schema: Json) -> str:
    match schema.get("type"):
        case "array":
            return f"list of ({_type(schema['items']) if 'items' in schema else 'any'})"
        case "object":
            values = schema.get("additionalProperties")
            return f"object of {_type(values)}" if isinstance(values, dict) and values else "object"
        case None:
            return "any"
        case kind:
            return escape(str(kind))


_BOUNDS = {
    "minimum": "from {}",
    "maximum": "to {}",
    "minLength": "of {} or more",
    "maxLength": "of {} at most",
    "minItems": "of {} or more",
    "maxItems": "of {} at most",
    "maxProperties": "of {} at most",
    "pattern": "like {}",
}


def _bounds(schema: Json) -> str:
    told = [words.format(schema[key]) for key, words in _BOUNDS.items() if key in schema]
    return f" <small>{escape(', '.join(told))}</small>" if told else ""


def _prose(text: str) -> str:
    """Return text with its code marked up."""
    pieces = escape(text).split("`")
    return "".join(
        f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces)
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return ""
    return f"<table><tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>{body}</table>"
