"""A/B tests: two versions behind a router, the outcomes of units, and an analysis that may be read at any time."""

from trainer.experiments.creation import create_experiment
from trainer.experiments.outcomes import record_outcome

__all__ = ["create_experiment", "record_outcome"]
