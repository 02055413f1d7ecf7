"""Memory that ran out: kept with the run, so that the next try gets more and the report says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from trainer.pipeline.resources import MEBIBYTE, amount

if TYPE_CHECKING:
    from trainer.run.folder import RunFolder

MEMORY_FILE = "state/memory.json"


class MemoryState(BaseModel):
    """What a step has learned about the memory that it needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ran_out_at: str
    """The limit at which it ran out last."""
    memory: str
    """What the next try gets."""


def memory_state(run: RunFolder) -> MemoryState | None:
    """What is known of a step's memory, or None where it never ran out."""
    try:
        return MemoryState.model_validate_json(run.read_text(MEMORY_FILE))
    except FileNotFoundError:
        return None


def note_out_of_memory(run: RunFolder, limit: str, factor: float, most: str) -> MemoryState | None:
    """Give the step's next try `factor` times as much, up to `most`; None where it had that already."""
    if amount(limit) >= amount(most):
        return None
    more = min(amount(limit) * factor, amount(most))
    state = MemoryState(ran_out_at=limit, memory=f"{round(more / MEBIBYTE)}Mi")
    run.write_text(MEMORY_FILE, state.model_dump_json(indent=2) + "\n")
    return state
