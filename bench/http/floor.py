"""What can't be done without: `python -m bench.http.floor PORT`, a proxy of bare trio and two parsers.

It asks the upstream at that port of loopback, and prints its own. No schema, no check, no limit, no
session: whatever a gateway costs above this is its own.
"""

import sys

import httptools
import trio


class _Request:
    """What is read of one request."""

    def __init__(self) -> None:
        self.target = b""
        self.pieces: list[bytes] = []
        self.is_whole = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_body(self, data: bytes) -> None:
        self.pieces.append(data)

    def on_message_complete(self) -> None:
        self.is_whole = True


class _Answer:
    def __init__(self) -> None:
        self.is_whole = False

    def on_message_complete(self) -> None:
        self.is_whole = True


class Floor:
    """The proxy of one upstream; it keeps the connections that are free."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[trio.SocketStream] = []

    async def serve(self, client: trio.SocketStream) -> None:
        """Answer the requests of one connection."""
        try:
            while await self._answer(client):
                continue
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # a client that leaves
        finally:
            await trio.aclose_forcefully(client)

    async def _answer(self, client: trio.SocketStream) -> bool:
        request = _Request()
        parser = httptools.HttpRequestParser(request)
        while not request.is_whole:
            data = await client.receive_some()
            if not data:
                return False
            parser.feed_data(data)
        body = b"".join(request.pieces)
        head = b"POST %b HTTP/1.1\r\nhost: upstream\r\ncontent-length: %d\r\n\r\n"
        upstream = (
            self._free.pop() if self._free else await trio.open_tcp_stream("127.0.0.1", self._port)
        )
        try:
            await upstream.send_all(head % (request.target, len(body)) + body)
            answer = _Answer()
            answer_parser = httptools.HttpResponseParser(answer)
            while not answer.is_whole:
                data = await upstream.receive_some()
                if not data:
                    return False
                answer_parser.feed_data(data)
                await client.send_all(data)
        except BaseException:
            await trio.aclose_forcefully(upstream)
            raise
        self._free.append(upstream)
        return True


async def main(port: int) -> None:
    """Serve until standard input ends."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=2048)
        nursery.start_soon(trio.serve_listeners, Floor(port).serve, listeners)
        sys.stdout.write(f"{listeners[0].socket.getsockname()[1]}\n")
        sys.stdout.flush()
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
