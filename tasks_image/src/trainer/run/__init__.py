"""The run folder and what lies in it: light, so that a scheduler can read it."""

from trainer.run.folder import RunFolder
from trainer.run.key import deployment_key, monitoring_key, request_key, run_key, scoring_key

__all__ = ["RunFolder", "deployment_key", "monitoring_key", "request_key", "run_key", "scoring_key"]
