"""The request fields of OpenAI's Chat Completions by name: what every client may take for known.

Whoever leaves one of them out says so where it is seen; of a field that nobody here knows, no client can
expect anything. Source: platform.openai.com, API reference, "Create chat completion".
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FIELDS = _names("""
    audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens
    messages metadata modalities model moderation n parallel_tool_calls prediction presence_penalty
    prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort response_format
    safety_identifier seed service_tier stop store stream stream_options temperature tool_choice tools
    top_logprobs top_p user verbosity web_search_options
""")


def is_known(path: str) -> bool:
    """Say whether a field is one of them, or stands in one; `path` is as `Notes.dropped` has it."""
    return path.partition(".")[0].partition("[")[0] in FIELDS
