r"""A team of three: an editor asks a researcher and a critic.

    greenroom serve examples/team.py

Say `[call ask_agent {"agent_id": "researcher", "message": "[call look_up {\"topic\": \"trio\"}]"}]` to
the editor.
"""

from greenroom.actors.app import Agent

NOTES = {"trio": "Trio is a library for structured concurrency."}


async def look_up(topic: str) -> str:
    """Look a topic up in the notes.

    Args:
        topic: One word.
    """
    return NOTES.get(topic.lower(), "Nothing is known of that.")


editor = Agent(
    "editor",
    instructions="Ask the researcher for facts and the critic for an opinion, then answer.",
    asks=["researcher", "critic"],
)
researcher = Agent("researcher", instructions="Answer from your notes alone.", tools=[look_up])
critic = Agent("critic", instructions="Say in one sentence what is weak.")
