"""The libraries that algorithms come from: one stateless object for each KIND."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.training.libraries.library import Library
from trainer.training.libraries.lightgbm import LightGBMLibrary
from trainer.training.libraries.sklearn import SklearnLibrary
from trainer.training.libraries.xgboost import XGBoostLibrary

if TYPE_CHECKING:
    from trainer.pipeline import AnyAlgorithm

__all__ = ["LIBRARIES", "Library", "library_of"]

LIBRARIES: dict[str, Library[Any]] = {
    "xgboost": XGBoostLibrary(),
    "lightgbm": LightGBMLibrary(),
    "sklearn": SklearnLibrary(),
}


def library_of(algorithm: AnyAlgorithm) -> Library[Any]:
    """Return the library that an algorithm's KIND names.

    >>> from trainer.pipeline import LightGBM
    >>> library_of(LightGBM()).stops_early
    True
    """
    return LIBRARIES[algorithm.KIND]
