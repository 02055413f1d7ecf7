"""The run folder and what lies in it: light, so that a scheduler can read it."""

from trainer.run.folder import RunFolder
from trainer.run.key import monitoring_key, request_key, run_key, scoring_key

__all__ = ["RunFolder", "monitoring_key", "request_key", "run_key", "scoring_key"]
