"""What a command has to tell its user in one line on standard error."""


class Problem(Exception):  # noqa: N818 - named as in the rest of the interface
    """One line, and the exit status: 2 for the user's mistake, 1 for a failure of what was asked."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
