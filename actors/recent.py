"""What an agent remembers of requests for a while, for SDKs that lost their answers and ask again.

Nothing of it outlives the process, and all of it has bounds.
"""

from collections import OrderedDict

import msgspec

from greenroom.actors.recording import Recording
from greenroom.actors.turn import Sender

MOST_REQUESTS = 20_000
"""Requests that are known at once, in each of these memories."""
_DELTA_BYTES = 120
"""What a delta takes in memory beside its text."""


class FirstTries:
    """When requests came that may be tried again, by session and body; the last of them are known.

    Without it, a request that never became a turn would, tried again, pass for an older one of the same
    words.
    """

    def __init__(self, most: int = MOST_REQUESTS) -> None:
        self._most = most
        self._times: OrderedDict[bytes, float] = OrderedDict()

    def note(self, session: str, sender: Sender, now: float) -> None:
        """Take down that a request comes, unless it says that it came before."""
        if sender.retry or not sender.fingerprint:
            return
        key = _key(session, sender)
        self._times[key] = now
        self._times.move_to_end(key)
        if len(self._times) > self._most:
            self._times.popitem(last=False)

    def since(self, session: str, sender: Sender) -> float:
        """Return when a request came first, as far as it is known; Unix seconds."""
        return self._times.get(_key(session, sender), 0.0)


def _key(session: str, sender: Sender) -> bytes:
    """Return one value for both, a third of the size of a pair; all fingerprints are of one length."""
    return sender.fingerprint + session.encode(errors="surrogatepass")


class Firsts:
    """Sessions that requests have of their own, for SDKs that ask again; bounded, the oldest go first.

    Whether a request is really known is its session's to say.
    """

    def __init__(self) -> None:
        self._sessions: OrderedDict[bytes, str] = OrderedDict()

    def find(self, sender: Sender) -> str | None:
        """Return where a request was answered that says of itself that it was sent before."""
        return self._sessions.get(sender.fingerprint) if sender.retry else None

    def keep(self, sender: Sender, session: str) -> None:
        """Remember where a request is answered."""
        self._sessions[sender.fingerprint] = session
        self._sessions.move_to_end(sender.fingerprint)
        if len(self._sessions) > MOST_REQUESTS:
            self._sessions.popitem(last=False)


class _Kept(msgspec.Struct, frozen=True):
    at: float
    recording: Recording
    size: int


class Recent:
    """Sessions that pass, for SDKs that lost their answers on the way and ask again.

    It knows in which of them a request is answered now, and the last answers; those are bounded in
    number, in size (about bytes) and in time (seconds). Nothing of it outlives the process.
    """

    def __init__(self, most: int = 256, size: int = 8 * 1024 * 1024, lasts: float = 60.0) -> None:
        self._most = most
        self._bound = size
        self._lasts = lasts
        self._size = 0
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._under_way: OrderedDict[bytes, str] = OrderedDict()

    def session_of(self, sender: Sender, session: str) -> str:
        """Return where a request is answered: in a session of its own, or where it is already."""
        if sender.retry:
            return self._under_way.get(sender.fingerprint, session)
        if sender.fingerprint:
            self._forget(sender.fingerprint)
            self._under_way[sender.fingerprint] = session
            self._under_way.move_to_end(sender.fingerprint)
            if len(self._under_way) > MOST_REQUESTS:
                self._under_way.popitem(last=False)
        return session

    def ended(self, fingerprint: bytes, session: str) -> None:
        """Forget where a request was answered."""
        if self._under_way.get(fingerprint) == session:
            del self._under_way[fingerprint]

    def keep(self, fingerprint: bytes, recording: Recording, now: float) -> None:
        """Remember an answer; the oldest go for it."""
        self._forget(fingerprint)
        self._expire(now)
        size = recording.answer.size + _DELTA_BYTES * len(recording.deltas)
        if size > self._bound // 4:
            return
        self._kept[fingerprint] = _Kept(now, recording, size)
        self._size += size
        while len(self._kept) > self._most or self._size > self._bound:
            self._forget(next(iter(self._kept)))

    def find(self, fingerprint: bytes, now: float) -> Recording | None:
        """Return the answer to the same request, if it is still there."""
        self._expire(now)
        kept = self._kept.get(fingerprint)
        return None if kept is None else kept.recording

    def _expire(self, now: float) -> None:
        while self._kept:
            first = next(iter(self._kept))
            if now - self._kept[first].at <= self._lasts:
                break
            self._forget(first)

    def _forget(self, fingerprint: bytes) -> None:
        kept = self._kept.pop(fingerprint, None)
        if kept is not None:
            self._size -= kept.size
