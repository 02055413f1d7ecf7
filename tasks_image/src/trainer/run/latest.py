"""A link to the newest run folder, for people."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.run.folder import RunFolder

LATEST = "latest"


def mark_latest(run: RunFolder) -> None:
    """Let `latest`, in a local artifact store, point at a run folder; an object store has no links."""
    if not run.is_local:
        return
    folder = Path(run.root)
    store = folder.parent.parent
    fresh = store / f".{LATEST}-{os.getpid()}"
    fresh.unlink(missing_ok=True)  # of a process that had this number before, and was killed here
    fresh.symlink_to(folder.relative_to(store))
    fresh.replace(store / LATEST)
