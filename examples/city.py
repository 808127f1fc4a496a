"""Answers of a form.

    greenroom serve examples/city.py

Whatever is asked, a client gets a JSON object with these fields, or an error.
"""

import msgspec

from greenroom.actors.app import Agent


class City(msgspec.Struct):
    """A city."""

    name: str
    inhabitants: int


agent = Agent(instructions="Name the city that is meant.", output=City)
