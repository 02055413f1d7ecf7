"""The command `airflow`, which starts and ends in less time: `python -m include.laptop.airflow_command dags test …`."""

from __future__ import annotations

import gc
import logging
import sys

from trainer.process.fork_server import exit_process, run_command

FEW_COLLECTIONS = (200_000, 20, 20)
"""Airflow builds classes and routes for seconds, and they stay: the default, 700 objects, costs a third of it."""


TALKATIVE = "airflow.sdk.definitions.dag"
NOISE = "No tasks to run. unrunnable tasks"
"""Once for each second until Airflow has marked all that follows a failed step, a kilobyte each time."""


def main() -> None:
    """Run Airflow's command line with this process's arguments, and exit with its exit code."""
    logging.getLogger(TALKATIVE).addFilter(lambda record: not str(record.msg).startswith(NOISE))
    gc.set_threshold(*FEW_COLLECTIONS)
    exit_process(run_command(["-m", "airflow", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
