"""An MCP server of the older kind over standard input and output, made by hand of the standard library.

It starts at once, and does what no decent server does. Its first argument says what it is like:
"well", "strict" (ends if the first request is no handshake), "mute" (never answers), "broken" (ends
with a word), "flood" (says again and again that its tools have changed), "stubborn" (does
not end when it should), "deaf" (reads nothing more once its tools are listed).
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

KIND = sys.argv[1] if len(sys.argv) > 1 else "well"
TOOLS = ["echo", "pid", "hang", "die", "add", "fail", "odd", "rich", "env", "noisy", "slow",
         "hung", "cancelled"]  # fmt: skip
PAGE = 4

writing = threading.Lock()
hung: list[object] = []
cancelled: list[object] = []


def send(message: Json) -> None:
    with writing:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
        sys.stdout.flush()


def text(what: object) -> Json:
    return {"content": [{"type": "text", "text": str(what)}]}


def definition(name: str) -> Json:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    return {"name": name, "description": f"To {name}.", "inputSchema": schema}


def page(params: Json) -> Json:
    begin = int(params.get("cursor") or 0)
    found: Json = {"tools": [definition(name) for name in TOOLS[begin : begin + PAGE]]}
    if begin + PAGE < len(TOOLS):
        found["nextCursor"] = str(begin + PAGE)
    return found


def add(arguments: Json) -> Json:
    TOOLS.append(arguments["text"])
    send({"method": "notifications/tools/list_changed"})
    return text("added")


def die(_: Json) -> Json:
    os._exit(3)


def noisy(arguments: Json) -> Json:
    sys.stdout.write("this is no JSON\n\n[]\n")
    sys.stderr.write("a line of its log\n")
    return text(arguments.get("text"))


def slow(arguments: Json) -> Json:
    time.sleep(0.2)
    return text(arguments.get("text"))


RICH: list[Json] = [
    {"type": "text", "text": "Look:"},
    {"type": "image", "data": "AAAA", "mimeType": "image/png"},
    {"type": "audio", "data": "AAAAAA==", "mimeType": "audio/wav"},
    {"type": "resource_link", "name": "notes", "uri": "file:///notes.txt"},
    {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "a text"}},
    {"type": "resource", "resource": {"uri": "file:///b.bin", "blob": "AAAA"}},
]

WORKS: dict[str, Callable[[Json], Json]] = {
    "echo": lambda arguments: text(arguments.get("text")),
    "pid": lambda _: text(os.getpid()),
    "die": die,
    "add": add,
    "fail": lambda _: text("there is no such cat") | {"isError": True},
    "odd": lambda _: {"content": [], "structuredContent": {"cats": [1, 2]}},
    "rich": lambda _: {"content": RICH},
    "env": lambda arguments: text(os.environ.get(arguments["text"])),
    "noisy": noisy,
    "slow": slow,
    "hung": lambda _: text(json.dumps(hung)),
    "cancelled": lambda _: text(json.dumps(cancelled)),
}


def answer(message: Json) -> None:
    method: str = message["method"]
    params: Json = message.get("params") or {}
    result: Json
    if method == "initialize":
        result = {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "rough", "version": "1"},
        }
    elif method == "tools/list":
        result = page(params)
    elif method == "tools/call" and params["name"] == "hang":
        hung.append(message["id"])
        return
    elif method == "tools/call" and params["name"] in WORKS:
        result = WORKS[params["name"]](params.get("arguments") or {})
    else:
        send({"id": message["id"], "error": {"code": -32601, "message": f"no {method} here"}})
        return
    send({"id": message["id"], "result": result})


def flood() -> None:
    while True:
        send({"method": "notifications/tools/list_changed"})
        time.sleep(0.001)


def main() -> None:
    if KIND == "broken":
        sys.exit("I cannot find my configuration.")
    if KIND == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for number, line in enumerate(sys.stdin):
        message = json.loads(line)
        if KIND == "mute":
            continue
        if KIND == "strict" and number == 0 and message["method"] != "initialize":
            sys.exit(f"{message['method']} is no handshake")
        if message["method"] == "notifications/cancelled":
            cancelled.append(message["params"]["requestId"])
        elif message["method"] == "notifications/initialized" and KIND == "flood":
            threading.Thread(target=flood, daemon=True).start()
        elif "id" in message:
            answer(message)
        if KIND == "deaf" and (message.get("params") or Json()).get("cursor") == "12":
            break
    while KIND in {"stubborn", "deaf"}:
        time.sleep(1000)


main()
