"""What a turn begins with, of all that a configuration says: and it keeps these terms to its end.

Another configuration makes other terms, which count for turns that begin after it; nobody changes one.
"""

import msgspec

from greenroom.actors.calling import Upstreams
from greenroom.actors.kit import NO_KIT, Kit
from greenroom.actors.settings import AgentSettings, SessionLimits
from greenroom.actors.tools.toolbox import Toolbox
from greenroom.actors.turn import Route, TurnRequest


class Terms(msgspec.Struct, frozen=True):
    """One agent's, as one configuration has them.

    `own` are the routes of its own model and of that one's fallbacks; without any, a turn goes where it
    was sent.
    """

    agent: AgentSettings
    limits: SessionLimits
    kit: Kit
    toolbox: Toolbox
    upstreams: Upstreams
    own: tuple[Route, ...] = ()

    def routed(self, turn: TurnRequest) -> TurnRequest:
        """Return a turn that asks for its agent's own model with the route that this is here."""
        if not turn.is_own or not self.own:
            return turn
        route, *others = self.own
        fallbacks = tuple(others)
        if (turn.route, turn.fallbacks) == (route, fallbacks):
            return turn
        return msgspec.structs.replace(turn, route=route, fallbacks=fallbacks)


def terms_of(
    agent: AgentSettings,
    upstreams: Upstreams,
    limits: SessionLimits,
    kit: Kit = NO_KIT,
    own: tuple[Route, ...] = (),
) -> Terms:
    """Return the terms of one agent."""
    return Terms(agent, limits, kit, Toolbox(kit.hosts, agent.tools), upstreams, own)
