"""Letting a promoted version answer requests: the targets, the smoke test, and the watch over its first requests."""
