"""An upstream for the clients that are measured: `python -m bench.upstream.server`.

It prints its port, and lasts until its standard input ends. `/answer` is a whole answer, `/stream` one
of `CHUNKS` paced chunks, `/hold` one that begins and never ends.
"""

import sys

import trio

from bench.upstream.plan import CHUNKS, PAUSE

_EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}\n\n'
)
_COMPLETION = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":'
    b'[{"index":0,"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":99,"total_tokens":108}}'
) % (b"A word. " * 50)
_FIELDS = (
    b"date: Mon, 02 Jan 2023 03:04:05 GMT\r\nserver: bench\r\nx-request-id: 0123456789abcdef\r\n"
)
_CHUNK = b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT)
_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n%b\r\n"
) % _FIELDS
_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n%b"
) % (len(_COMPLETION), _FIELDS, _COMPLETION)


async def serve(stream: trio.SocketStream) -> None:
    """Answer the requests of one connection."""
    unread = b""
    try:
        while True:
            while (end := unread.find(b"\r\n\r\n")) < 0:
                if not (data := await stream.receive_some()):
                    return
                unread += data
            head = unread[:end].lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            while len(unread) < end + 4 + length:
                unread += await stream.receive_some()
            unread = unread[end + 4 + length :]
            await _answer(stream, head.split(b" ")[1])
    except trio.BrokenResourceError:
        return  # the client has left, as it does at the end of each sample
    finally:
        await trio.aclose_forcefully(stream)


async def _answer(stream: trio.SocketStream, target: bytes) -> None:
    if target == b"/answer":
        await stream.send_all(_ANSWER)
        return
    await stream.send_all(_STREAM + _CHUNK)
    if target == b"/hold":
        await stream.receive_some()
        return
    due = trio.current_time()
    for _ in range(CHUNKS - 1):
        due += PAUSE
        await trio.sleep_until(due)
        await stream.send_all(_CHUNK)
    await stream.send_all(b"0\r\n\r\n")


async def main() -> None:
    """Serve until standard input ends."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=2048)
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        sys.stdout.write(f"{listeners[0].socket.getsockname()[1]}\n")
        sys.stdout.flush()
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
