"""What a command has to tell its user when it cannot go on."""


class Problem(Exception):  # noqa: N818 - named as in the rest of the interface
    """Something to tell the user in one line; `status` is the command's exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
