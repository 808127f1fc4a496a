"""A reader that came late hears its turn from the beginning, by its recording, and then as it goes on."""

from greenroom.actors.recording import Recording, settle
from greenroom.actors.turn import Progress, TurnEvent
from greenroom.runtime import Actor, Message, StreamPort


class Follow(Message, frozen=True):
    """Begin."""


class Follower(Actor[Follow]):
    """Plays one recording to one reader; it ends with the reader, or with the turn."""

    mailbox_size = 1
    is_leaf = True

    def __init__(
        self, recording: Recording, port: StreamPort[TurnEvent], *, announces: bool = False
    ) -> None:
        self._recording = recording
        self._port = port
        self._announces = announces

    async def receive(self, message: Follow) -> None:
        with self._port.scope:
            await self._play()
        self.stop()

    async def _play(self) -> None:
        recording, port = self._recording, self._port
        if self._announces:
            while recording.accepted is None and recording.outcome is None:
                await recording.news()
            if recording.accepted is not None:
                await port.send(recording.accepted)
        while recording.started is None and recording.outcome is None:
            await recording.news()
        if recording.started is not None:
            await port.send(recording.started)
        told = 0
        while True:
            if told < len(recording.deltas):
                batch = tuple(recording.deltas[told:])
                told += len(batch)
                await port.send(Progress(batch))
            elif recording.outcome is not None:
                settle(port, recording.outcome)
                return
            else:
                await recording.news()
