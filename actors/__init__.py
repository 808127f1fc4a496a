"""Agents, sessions, runs and providers as actors."""
