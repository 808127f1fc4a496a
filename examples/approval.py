"""A payment that needs a person's yes.

    greenroom serve examples/approval.py

Say `[call pay {"to": "Ada", "amount": 3}]` in a session. `greenroom errands list` shows what waits, and
`greenroom errands approve ID` lets it happen, also after a restart in between.
"""

from greenroom.actors.app import Agent, Call, tool

PAID: dict[str, str] = {}
"""Payments by the key of their call, so that none is made twice."""


@tool(needs_approval=True)
async def pay(to: str, amount: int, call: Call) -> str:
    """Pay somebody an amount.

    Args:
        to: Whom.
        amount: How much, in whole coins.
    """
    return PAID.setdefault(call.key, f"{to} has got {amount}.")


agent = Agent(instructions="You keep the till.", tools=[pay])
