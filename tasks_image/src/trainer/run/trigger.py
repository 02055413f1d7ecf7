"""The last training run that monitoring has asked for: kept beside a pipeline's run folders, which may be pruned."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from trainer.errors import ConfigurationError
from trainer.run.waiting import pipeline_folder

if TYPE_CHECKING:
    from trainer.run.folder import RunFolder

TRIGGER_FILE = "retraining.json"


class Trigger(BaseModel):
    """A request for a training run, written before Airflow is asked for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    look: str
    """The key of the look that has asked."""
    look_started_at: str
    """ISO 8601, UTC; looks that began then or earlier never count again."""
    asked_at: str
    """ISO 8601, UTC."""
    confirmed: bool = False
    """True once a later try or look has found the request in Airflow; one that it does not know never counts."""


def last_trigger(folder: RunFolder) -> Trigger | None:
    """Return the last request of a pipeline; `folder` is that of any of its runs.

    Raises ConfigurationError if the record cannot be read: nobody knows then which looks have counted.
    """
    own = pipeline_folder(folder)
    try:
        return Trigger.model_validate_json(own.read_text(TRIGGER_FILE))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConfigurationError(
            f"{own.uri_of(TRIGGER_FILE)} cannot be read, so it is not known which looks have started a training run: "
            f"{error}; restore the file, or remove it to count all looks"
        ) from error


def keep_trigger(folder: RunFolder, trigger: Trigger) -> None:
    """Write the last request of a pipeline atomically; `folder` is that of any of its runs."""
    pipeline_folder(folder).write_text(TRIGGER_FILE, trigger.model_dump_json(indent=2) + "\n")


def drop_trigger(folder: RunFolder) -> None:
    """Remove a request that Airflow has never got."""
    with contextlib.suppress(FileNotFoundError):
        own = pipeline_folder(folder)
        own.filesystem.rm_file(own.path(TRIGGER_FILE))
