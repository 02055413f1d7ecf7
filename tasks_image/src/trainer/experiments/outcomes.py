"""Recording the outcomes of units."""

from __future__ import annotations

import math
import time
from functools import cache
from numbers import Real
from typing import TYPE_CHECKING, Any

from trainer.environment import variable
from trainer.errors import ConfigurationError, DataValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.experiments.store import ExperimentStore
    from trainer.serving.exposures import Exposure


def record_outcome(experiment_id: str, unit_id: str, value: float) -> None:
    """Record the one outcome of a unit that was answered in a running experiment; a greater value is better.

    Units without success need their outcome too, such as 0: a unit without one is not analysed.

    :param experiment_id: the experiment's name
    :param unit_id: as its requests had it in the header `X-Unit-Id`

    Raises DataValidationError if the value is not a finite number, the unit was not answered in the experiment or has
    an outcome already, and ConfigurationError if there is no such experiment or it has ended. Nothing is changed then.
    Raises OutageError if the database does not answer.
    """
    if not _is_finite(value):
        raise DataValidationError(
            f"experiment {experiment_id}, unit {unit_id!r}: the outcome {value!r} is not a finite number"
        )
    store = open_store()
    answer = _refuse_unit(unit_id) or store.record(experiment_id, unit_id, float(value), time.time())
    if answer == "recorded":
        return
    store.get(experiment_id)
    if answer == "ended":
        raise ConfigurationError(
            f"experiment {experiment_id} has ended; the outcome of unit {unit_id!r} is not recorded"
        )
    if answer == "known":
        raise DataValidationError(
            f"experiment {experiment_id}: unit {unit_id!r} has an outcome already; each unit has one, and the first "
            "stays"
        )
    raise DataValidationError(
        f"experiment {experiment_id}: unit {unit_id!r} was not answered in it; a unit is known about a second after "
        "the first answer to a request with its id in the header X-Unit-Id"
    )


def _is_finite(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def keep_exposures(exposures: Sequence[Exposure]) -> None:
    """Bring units into the database of this environment. Raises OutageError if it does not answer."""
    open_store().add_exposures(exposures)


def open_store() -> ExperimentStore:
    """Return the database of experiments of this environment."""
    from trainer.experiments.store import store_address

    return _opened(store_address(variable("experiments"), variable("serving")))


@cache
def _opened(address: str) -> ExperimentStore:
    from trainer.experiments.store import ExperimentStore

    return ExperimentStore(address)


def _refuse_unit(unit: str) -> str:
    """Return `unknown` for an id that no request has and no database holds."""
    try:
        return "" if unit.encode() and "\0" not in unit else "unknown"
    except (UnicodeEncodeError, AttributeError):
        return "unknown"
