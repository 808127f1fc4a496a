"""Which sessions of a house have turns, so that a stop can wait for the last of them.

A turn may go on without a client, so whoever asks HTTP alone is told too early that all is done.
"""

import trio


class AtWork:
    """The sessions that have a turn which runs or waits."""

    def __init__(self) -> None:
        self._sessions: set[object] = set()
        self._calm = trio.Event()
        self._calm.set()

    def has(self, session: object) -> bool:
        """Say whether a session has a turn, as far as it was taken down."""
        return session in self._sessions

    def note(self, session: object, turns: int) -> None:
        """Take down how many turns a session has now."""
        if turns and not self._sessions:
            self._calm = trio.Event()
        if turns:
            self._sessions.add(session)
            return
        self._sessions.discard(session)
        if not self._sessions:
            self._calm.set()

    async def calm(self) -> None:
        """Wait until no session has one."""
        await self._calm.wait()
