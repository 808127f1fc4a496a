"""OpenAI Chat Completions, and every server that calls itself compatible with it."""
