"""The name of a run's folder."""

from __future__ import annotations

import hashlib
import re

LONGEST_READABLE_PART = 80
SCORING = "scoring-"
"""How the folder names of scoring runs begin."""
MONITORING = "monitoring-"
"""How the folder names of monitoring runs begin."""
DEPLOYMENT = "deployment-"
"""How the folder names of deployment runs begin."""
REQUEST = "request-"
"""How the folder names of requests to move production begin."""
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


def monitoring_key(run_id: str) -> str:
    """Return the folder name of a monitoring run.

    >>> monitoring_key("manual__2026-01-04T02:00:00+00:00")[:35]
    'monitoring-manual__2026-01-04T02-00'
    """
    return run_key(f"{MONITORING}{run_id}")


def deployment_key(run_id: str) -> str:
    """Return the folder name of a deployment run.

    >>> deployment_key("manual__2026-01-04T02:00:00+00:00")[:35]
    'deployment-manual__2026-01-04T02-00'
    """
    return run_key(f"{DEPLOYMENT}{run_id}")


def request_key(run_id: str) -> str:
    """Return the folder name of a request to move production.

    >>> request_key("manual__2026-01-04T02:00:00+00:00")[:32]
    'request-manual__2026-01-04T02-00'
    """
    return run_key(f"{REQUEST}{run_id}")


def flow_of(key: str) -> str:
    """Return the flow of a run by its key: `training`, `scoring`, `monitoring`, `deployment` or `request`.

    >>> flow_of("scoring-manual__1"), flow_of("manual__1")
    ('scoring', 'training')
    """
    prefixes = (SCORING, MONITORING, DEPLOYMENT, REQUEST)
    return next((prefix.rstrip("-") for prefix in prefixes if key.startswith(prefix)), "training")
