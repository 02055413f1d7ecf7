"""Every error this package raises on purpose, and what a scheduler should do about it.

TrainerError                   exit 1, a retry can help
├── ConfigurationError         exit 2, also a ValueError: a file, a parameter or an expression is wrong
│   └── StepNotDoneError       exit 2, also a FileNotFoundError: a step's result is asked for too early
├── DataValidationError        exit 3, also a ValueError: the data is refused
├── ModelRefusedError          exit 4, also a ValueError: the model is refused
│   └── PromotionConflictError exit 4: the alias moved since the decision was taken
├── ModelTrainingError         exit 1, also a RuntimeError: tuning or fitting failed
│   ├── DivergedError          exit 4: the loss of a network is not finite any more
│   ├── ProcessKilledError     exit 137: a process that trains was killed; the next try gets more memory
│   └── StudyTakenOverError    exit 1: another process has ended a trial of this one, and goes on with the study
└── OutageError                exit 1, also an OSError: MLflow, a store or a study storage does not answer or is full
"""

from __future__ import annotations

import signal
from typing import ClassVar


class TrainerError(Exception):
    """Base of all errors here; the message says what is wrong, where, and what to do."""

    exit_code: ClassVar[int] = 1

    @property
    def retry_can_help(self) -> bool:
        """Whether the same step, started again unchanged, could succeed."""
        return self.exit_code not in FINAL_EXIT_CODES


class ConfigurationError(TrainerError, ValueError):
    """A pipeline file, a run parameter, a setting or an expression is wrong."""

    exit_code = 2


class StepNotDoneError(ConfigurationError, FileNotFoundError):
    """The result of a step is needed that has not been written."""

    __str__ = Exception.__str__


class DataValidationError(TrainerError, ValueError):
    """The data cannot be read, or is not fit to train on."""

    exit_code = 3


class ModelRefusedError(TrainerError, ValueError):
    """The model does not pass a gate or an acceptance test; nothing may be promoted."""

    exit_code = 4


class PromotionConflictError(ModelRefusedError):
    """The production alias is no longer where it was when the decision was taken."""


class ModelTrainingError(TrainerError, RuntimeError):
    """Tuning or fitting failed for a reason that may pass."""


class DivergedError(ModelTrainingError):
    """The loss of a network is not finite any more; other parameters may train, the same ones do not."""

    exit_code = 4


class ProcessKilledError(ModelTrainingError):
    """A process that trains was ended by SIGKILL, most often because memory ran out.

    The step ends with the exit code that containers and shells use for that, so the next try gets more memory.
    """

    exit_code = 128 + signal.SIGKILL


class StudyTakenOverError(ModelTrainingError):
    """Another process has ended a trial that this one was at: it has taken this one's place."""


class OutageError(TrainerError, OSError):
    """MLflow, a store or a study storage does not answer, is locked, or takes nothing more."""

    __str__ = Exception.__str__


FINAL_EXIT_CODES = {2: "configuration", 3: "data refused", 4: "model refused"}
"""Exit codes that no retry can change, and what each one means."""

LESS_MEMORY = "lower the run parameters `sample_ratio` or `batch_size`, or give the step more memory"
"""What to do where memory runs out."""
