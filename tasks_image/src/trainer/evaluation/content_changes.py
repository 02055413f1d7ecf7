"""Changes on purpose to what each row consists of, such as an image or a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np

    from trainer.pipeline import Pipeline


def check_changes(pipeline: Pipeline, column: str, changes: Collection[str]) -> None:
    """Raise ConfigurationError for an expectation that sets another column, or names no known change."""
    for behaviour in pipeline.behaviour:
        where = f"behaviour ({behaviour.name})"
        if behaviour.where is not None:
            raise ConfigurationError(f"{where}.where: of {pipeline.modality} no rows can be chosen; remove it")
        if list(behaviour.set) != [column]:
            raise ConfigurationError(f"{where}.set: only {column!r} can be set")
        for change in behaviour.set.values():
            if change not in changes:
                raise ConfigurationError(f"{where}.set: there is no change {change!r}{did_you_mean(change, changes)}")


def drawn(rows: int, most: int, random: np.random.Generator) -> np.ndarray:
    """Return the places (n,) of all rows, or of so many drawn from them, in order."""
    import numpy as np

    positions = np.arange(rows)
    return positions if rows <= most else np.sort(random.choice(positions, most, replace=False))
