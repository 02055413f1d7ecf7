"""What every generator of a built-in sample refuses."""

from __future__ import annotations

import math

from trainer.errors import ConfigurationError

FEWEST_ROWS = 100


def check_arguments(sample: str, rows: int, seed: int, drift: float) -> None:
    """Raise ConfigurationError for fewer than 100 rows, a negative seed or a drift that is not finite."""
    if rows < FEWEST_ROWS:
        raise ConfigurationError(f"the {sample} sample needs at least {FEWEST_ROWS} rows, not {rows}: ask for more")
    if seed < 0:
        raise ConfigurationError(f"the {sample} sample's seed must be 0 or more, not {seed}")
    if not math.isfinite(drift):
        raise ConfigurationError(f"the {sample} sample's drift must be a finite number, not {drift}")
