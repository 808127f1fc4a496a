"""Anthropic Messages, and every server that speaks it."""
