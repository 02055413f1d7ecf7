"""Decide about a retraining without a scheduler; under one, the task of this name starts the training run."""

from trainer.decision import retrain_by_hand as run

__all__ = ["run"]
