"""Adapters of upstream model APIs."""
