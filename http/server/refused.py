"""What a client is told that the server itself sends away, before any application hears of it. Pure."""

from greenroom.http.errors import INVALID_REQUEST, ApiError

_CLOSING = {
    "content-type": "application/json; charset=utf-8",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "connection": "close",
}


class Refused(Exception):  # noqa: N818 - the client's doing, and no error of the server's
    """A request that is answered with `status` and `code`; nothing after it is listened to."""

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after

    def encode(self) -> bytes:
        """Return the whole answer in HTTP/1.1, which says that the connection closes."""
        type_ = "api_error" if self.status in {500, 503} else INVALID_REQUEST
        body = ApiError(self.status, type_, str(self), code=self.code).encode()
        headers = dict(_CLOSING)
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        headers["content-length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} {reason(self.status)}\r\n{lines}\r\n".encode() + body


def malformed(message: str) -> Refused:
    """Return the refusal of what is not HTTP, or might mean one thing here and another elsewhere."""
    return Refused(400, "malformed_request", message)


_REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    421: "Misdirected Request",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}


def reason(status: int) -> str:
    """Return the words that stand behind a status; nothing where nobody would miss them."""
    return _REASONS.get(status, "")
