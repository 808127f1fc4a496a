"""The providers of one house: those of its configuration, and those that turns still need from before.

A provider is stopped once no configuration that somebody holds has it, and its channel closed with it.
Who is to be stopped is decided in one step without an await.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random

from greenroom.actors.calling import Upstreams
from greenroom.actors.channels.channel import Channel
from greenroom.actors.provider import Provider, ProviderMessage
from greenroom.actors.settings import HouseSettings, ProviderSettings
from greenroom.actors.turn import Route
from greenroom.runtime import Backoff, Permanent, Ref, System

ALWAYS = Permanent(restarts=10, seconds=60.0, backoff=Backoff(first=0.1, most=30.0))
"""With these waits there is no eleventh restart within a minute: a house never gives up on a part."""

Connect = Callable[[ProviderSettings], Channel]


class Providers:
    """Starts providers in `system`, and stops them; whose settings are as before goes on."""

    def __init__(self, system: System, connect: Connect, random: Random, patience: float) -> None:
        self._system = system
        self._connect = connect
        self._random = random
        self.current = Upstreams({}, patience, random)
        self._earlier: list[Upstreams] = []
        self._settings: dict[str, ProviderSettings] = {}
        self._up: dict[str, Ref[ProviderMessage]] = {}
        self._starts = Counter[str]()

    async def prepare(self, settings: HouseSettings) -> Upstreams:
        """Start those that are new or different; nobody calls them before `take`.

        Raises:
            StartFailed, NotAccepted: one cannot be started; then all that were are gone again.
        """
        refs: dict[str, Ref[ProviderMessage]] = {}
        begun: list[Ref[ProviderMessage]] = []
        try:
            for provider in settings.providers:
                known = self.current.providers.get(provider.id)
                if known is not None and self._settings[provider.id] == provider:
                    refs[provider.id] = known
                    continue
                ref = refs[provider.id] = await self._start(provider)
                begun.append(ref)
        except BaseException:
            for ref in begun:
                ref.kill()
            raise
        windows = {
            Route(provider.id, model.id): model.context_window
            for provider in settings.providers
            for model in provider.models
            if model.context_window is not None
        }
        return Upstreams(refs, settings.patience, self._random, windows)

    def drop(self, prepared: Upstreams) -> None:
        """End those that were started for what is not taken after all."""
        for ref in prepared.providers.values():
            if ref.path not in self._up:
                ref.kill()

    def take(self, prepared: Upstreams, settings: HouseSettings) -> None:
        """Have new turns call these, and stop those of before whom no turn needs any more."""
        self.current.on_free = self._stop_unneeded
        self._earlier.append(self.current)
        self.current = prepared
        self._settings = {provider.id: provider for provider in settings.providers}
        self._up.update((ref.path, ref) for ref in prepared.providers.values())
        self._stop_unneeded()

    def _stop_unneeded(self) -> None:
        self._earlier = [upstreams for upstreams in self._earlier if upstreams.is_held]
        needed = {
            ref.path
            for upstreams in (*self._earlier, self.current)
            for ref in upstreams.providers.values()
        }
        for path in self._up.keys() - needed:
            self._up.pop(path).stop()

    async def _start(self, provider: ProviderSettings) -> Ref[ProviderMessage]:
        create = partial(Provider, provider, self._connect, self._random)
        self._starts[provider.id] += 1
        name = name_of("provider", provider.id, self._starts[provider.id])
        return await self._system.supervise(create, name, ALWAYS)


def name_of(what: str, id_: str, nth: int) -> str:
    """Return the name of the actor that is the `nth` of that id: those before it may not be gone yet."""
    return f"{what}:{id_}" if nth == 1 else f"{what}~{nth}:{id_}"
