"""The files by which the nodes of a step hand over, in its part of the run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.run.records import Failure

if TYPE_CHECKING:
    from trainer.run.folder import RunFolder


NODES_FOLDER = "state/nodes"
"""It belongs to the state, which a step that begins anew keeps."""


def nodes_folder(job: str) -> str:
    """Return the folder of a Job."""
    return f"{NODES_FOLDER}/{job}"


def node_failure_file(job: str, index: int) -> str:
    """Return the file with the failure of a node."""
    return f"{nodes_folder(job)}/failure-{index}.json"


def node_failure(step: RunFolder, job: str, index: int) -> Failure | None:
    """Return why a node has failed; None if it has kept nothing."""
    try:
        return Failure.model_validate_json(step.read_text(node_failure_file(job, index)))
    except FileNotFoundError:
        return None
