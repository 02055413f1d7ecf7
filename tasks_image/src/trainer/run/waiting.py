"""The run of a pipeline that waits for a person's answer: other runs of the pipeline are queued behind it."""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from trainer.run.folder import FAILURE_FILE, RESULT_FILE, RunFolder

logger = logging.getLogger(__name__)

WAITING_FILE = "waiting.json"
"""In the pipeline's folder of the store, beside its run folders: one run of a pipeline is active at a time."""


class WaitingRun(BaseModel):
    """A run that has asked a person, and where the question is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    """Airflow's id of the run."""
    key: str
    """The name of its run folder."""
    step: str
    """The step that has asked."""
    question: str
    link: str
    """Address of Airflow's page with the question; empty if Airflow does not know its own address."""
    asked_at: str
    """ISO 8601, UTC."""


def begin_waiting(folder: RunFolder, run_id: str, question: str, link: str) -> None:
    """Record that a run waits for an answer; `folder` is the run folder at the step that asks."""
    waiting = WaitingRun(
        run_id=run_id, key=folder.key, step=folder.step, question=question, link=link,
        asked_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    pipeline_folder(folder).write_text(WAITING_FILE, waiting.model_dump_json(indent=2) + "\n")


def end_waiting(folder: RunFolder) -> None:
    """Remove the record of a run that waits no more."""
    with contextlib.suppress(FileNotFoundError):
        own = pipeline_folder(folder)
        own.filesystem.rm_file(own.path(WAITING_FILE))


def waiting_run(folder: RunFolder) -> WaitingRun | None:
    """Return the run of a pipeline that waits for an answer; `folder` is that of any of the pipeline's runs.

    A run that was killed while it waited leaves its record; whoever needs certainty asks Airflow for its state. A
    record that cannot be read is logged, and counts as none.
    """
    own = pipeline_folder(folder)
    try:
        waiting = WaitingRun.model_validate_json(own.read_text(WAITING_FILE))
    except FileNotFoundError:
        return None
    except ValueError as error:  # not UTF-8, not JSON, or without a field
        logger.warning("%s cannot be read; remove it: %s", own.uri_of(WAITING_FILE), error)
        return None
    asked = RunFolder(f"{own.uri}/{waiting.key}", own.filesystem, f"{own.root}/{waiting.key}").at(waiting.step)
    ended = any(own.filesystem.exists(asked.path(name)) for name in (RESULT_FILE, FAILURE_FILE))
    return None if ended else waiting


def pipeline_folder(folder: RunFolder) -> RunFolder:
    """Return the folder that a pipeline's run folders lie in."""
    uri, root = (text.rstrip("/").rsplit("/", 1)[0] for text in (folder.uri, folder.root))
    return RunFolder(uri, folder.filesystem, root)
