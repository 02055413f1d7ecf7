"""Decide about the challenger; light, so that the scheduler's own process can do it as well."""

from trainer.decision import decide_run as run

__all__ = ["run"]
