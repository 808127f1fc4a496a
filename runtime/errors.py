"""Every way in which sending to an actor can fail, named by whose fault it is.

What an asker can catch: `Refusal` (the actor said no), `NotAccepted` and `MailboxFull` (the message
was never taken), `ActorCrashed` and `ActorStopped` (it was taken, and the actor is gone). Nothing
else comes out of an ask but the caller's own cancellation.
"""


class RuntimeFault(Exception):  # noqa: N818 - a family name; its members say what happened
    """Base of what the runtime itself raises at a sender."""


class Refusal(Exception):  # noqa: N818 - a fact, not an error of the program
    """The actor's own no to one message.

    It goes to the asker and the actor lives on; subclass it to say more.
    """


class NotAccepted(RuntimeFault):
    """The mailbox is closed: the message was not taken, so sending it again elsewhere is safe."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} takes no more messages")
        self.path = path


class MailboxFull(RuntimeFault):
    """The mailbox has no room, and a tell never waits."""

    def __init__(self, path: str, size: int) -> None:
        super().__init__(f"the mailbox of {path} is full ({size} messages)")
        self.path = path
        self.size = size


class ActorCrashed(RuntimeFault):
    """The actor crashed on this message, or with it in hand; `__cause__` is what it raised."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} crashed")
        self.path = path


class ActorStopped(RuntimeFault):
    """The actor stopped before it answered."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} stopped before it answered")
        self.path = path


class RestartLimit(RuntimeFault):
    """A supervised child failed once more than its policy allows; `__cause__` is what it raised.

    Its parent crashes with this; at the top of the tree it is raised from `async with System(…)`.
    """

    def __init__(self, path: str, restarts: int, seconds: float) -> None:
        super().__init__(
            f"{path} failed again after {restarts} restarts within {seconds:g} seconds"
        )
        self.path = path
        self.restarts = restarts
        self.seconds = seconds


class StartFailed(RuntimeFault):
    """The actor never began: its `on_start` raised `__cause__`."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} failed to start")
        self.path = path
