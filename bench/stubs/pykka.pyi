"""What the benchmark uses of pykka, for type checkers where it is not installed."""

from typing import ClassVar

class ActorRef:
    def tell(self, message: object) -> None: ...
    def ask(self, message: object) -> object: ...

class ThreadingActor:
    use_daemon_thread: ClassVar[bool]
    def __init__(self) -> None: ...
    @classmethod
    def start(cls, *args: object) -> ActorRef: ...

class ActorRegistry:
    @classmethod
    def stop_all(cls) -> list[bool]: ...
