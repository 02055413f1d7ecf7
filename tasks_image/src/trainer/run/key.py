"""The name of a run's folder."""

from __future__ import annotations

import hashlib
import re

LONGEST_READABLE_PART = 80
SCORING = "scoring-"
"""How the folder names of scoring runs begin."""
DIGEST_DIGITS = 32
"""128 bits: another run id with the same digest cannot be found."""


def run_key(run_id: str) -> str:
    """A folder name for an Airflow run id: its harmless characters and 32 digits of its SHA-256.

    >>> run_key("manual__2026-01-04T02:00:00+00:00")
    'manual__2026-01-04T02-00-00-00-00-748016e69a446a101ea6911f6a438d42'
    """
    readable = re.sub(r"[^A-Za-z0-9_.]+", "-", run_id).strip("-.")[:LONGEST_READABLE_PART]
    return f"{readable}-{hashlib.sha256(run_id.encode()).hexdigest()[:DIGEST_DIGITS]}"


def scoring_key(run_id: str) -> str:
    """Return the folder name of a scoring run, whose Airflow run id may be that of a training run too.

    >>> scoring_key("manual__2026-01-04T02:00:00+00:00")
    'scoring-manual__2026-01-04T02-00-00-00-00-231bd42b3e76d233ab0fbc4cbfddca41'
    """
    return run_key(f"{SCORING}{run_id}")


def is_scoring(key: str) -> bool:
    """Return True for the key of a scoring run."""
    return key.startswith(SCORING)
