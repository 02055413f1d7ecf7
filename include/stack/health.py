"""Exit with 0 if Airflow's API reports a component as healthy: `python health.py scheduler [ADDRESS]`.

`airflow jobs check` tells the same, and imports Airflow for seconds each time.
"""

from __future__ import annotations

import json
import sys
from urllib.request import ProxyHandler, build_opener

ADDRESS = "http://airflow-api-server:8080"
SECONDS = 10


def main(component: str, address: str = ADDRESS) -> int:
    """Return 0 if the component (metadatabase, scheduler, dag_processor, triggerer) is healthy, else 1."""
    try:
        with build_opener(ProxyHandler({})).open(f"{address}/api/v2/monitor/health", timeout=SECONDS) as response:
            status = json.load(response)[component]["status"]
    except (OSError, ValueError, KeyError) as error:
        status = f"unknown: {type(error).__name__}: {error}"
    sys.stdout.write(f"{component}: {status}\n")
    return 0 if status == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
