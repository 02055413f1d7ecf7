"""Scoring a model in a process that starts without this package, so that the model's own bundled code answers."""
