"""The Responses and Conversations APIs, over the same sessions and turns as chat completions.

A response is a turn, and its id the turn's; a conversation is a session. What a response tells is made of
the turn's events, while they come or as the journal has them, by the same code.
"""
