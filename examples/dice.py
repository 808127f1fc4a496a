"""Tools in ten lines.

greenroom serve examples/dice.py
"""

import random

from greenroom.actors.app import Agent, tool


@tool
def dice(sides: int = 6) -> int:
    """Throw a dice and return what it shows."""
    return random.randint(1, sides)  # noqa: S311


agent = Agent(instructions="You are a dealer.", tools=[dice])
