"""What is predicted: a number, one of two classes, one of several, a text. One object for each, chosen by its name."""

from __future__ import annotations

from trainer.errors import ConfigurationError
from trainer.pipeline import did_you_mean
from trainer.problems.binary import BinaryClassification
from trainer.problems.language_modeling import LanguageModeling
from trainer.problems.multiclass import MulticlassClassification
from trainer.problems.problem import Problem
from trainer.problems.regression import Regression

__all__ = ["PROBLEMS", "Problem", "problem_of"]

PROBLEMS: dict[str, Problem] = {
    problem.name: problem
    for problem in (Regression(), BinaryClassification(), MulticlassClassification(), LanguageModeling())
}


def problem_of(name: str) -> Problem:
    """Return the problem of that name. Raises ConfigurationError if there is none.

    >>> problem_of("regression").name
    'regression'
    """
    if name not in PROBLEMS:
        raise ConfigurationError(f"there is no problem {name!r}{did_you_mean(name, PROBLEMS)}")
    return PROBLEMS[name]
