"""Training pipelines whose runs can be trusted: the steps, and what they are made of."""

__version__ = "0.1.0"
