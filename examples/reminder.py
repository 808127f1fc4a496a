"""An agent that wakes itself.

    greenroom serve examples/reminder.py

Say `[call remind {"text": "Feed the cat.", "in_seconds": 5}]` in a session, wait, and look at it with
`greenroom sessions transcript KEY`.
"""

from greenroom.actors.app import Agent

agent = Agent(instructions="You are a secretary.", reminders=True)
