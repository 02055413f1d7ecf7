"""The Airflow run that a run folder belongs to: no other run may read or write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from trainer.run.folder import RunFolder

RUN_ID_FILE = "airflow_run_id"


def refuse_other_run(folder: RunFolder, run_id: str) -> None:
    """Raise ConfigurationError if a run folder belongs to another Airflow run; one without Airflow has the id ''."""
    run = folder.at("")
    try:
        owner = run.read_text(RUN_ID_FILE)
    except FileNotFoundError:
        return
    if owner != run_id:
        raise ConfigurationError(
            f"the run folder {run.uri_of()} belongs to the Airflow run {owner!r}, not to {run_id!r}; "
            "start this run under another id"
        )


def own(folder: RunFolder, run_id: str) -> None:
    """Write which Airflow run a run folder belongs to."""
    folder.at("").write_text(RUN_ID_FILE, run_id)
