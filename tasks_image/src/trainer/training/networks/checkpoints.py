"""Checkpoints in a step's folder: written atomically, and only the newest few kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import pickle
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.run.folder import STATE_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

KEPT = 2


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training; another configuration has others, so neither takes up the other's."""

    folder: RunFolder
    digest: str

    @classmethod
    def of(cls, folder: RunFolder, configuration: Mapping[str, Any]) -> Checkpoints:
        """The checkpoints of a training, known by all that decides on its course."""
        text = json.dumps(configuration, sort_keys=True, default=str)
        return cls(folder, hashlib.sha256(text.encode()).hexdigest()[:16])

    def save(self, state: Mapping[str, Any], step: int) -> None:
        """Write the state after so many steps, then remove all but the newest."""
        import torch

        with self.folder.staged(f"{STATE_FOLDER}/{self.digest}-{step:09d}.pt") as file:
            torch.save(dict(state), file)
        for old in self._names()[:-KEPT]:
            with contextlib.suppress(FileNotFoundError):
                self.folder.filesystem.rm_file(self.folder.path(f"{STATE_FOLDER}/{old}"))

    def newest(self) -> dict[str, Any] | None:
        """The state of the newest checkpoint that can be read, or None."""
        import torch

        for name in reversed(self._names()):
            try:
                with self.folder.local(f"{STATE_FOLDER}/{name}") as file:
                    state: dict[str, Any] = torch.load(file, weights_only=True)
            except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
                logger.warning("checkpoint %s cannot be read, an older one is taken: %s", name, error)
            else:
                return state
        return None

    def _names(self) -> list[str]:
        return sorted(self._found())

    def _found(self) -> Iterator[str]:
        with contextlib.suppress(FileNotFoundError):
            for path in self.folder.filesystem.ls(self.folder.path(STATE_FOLDER), detail=False):
                name = str(path).rpartition("/")[2]
                if re.fullmatch(rf"{self.digest}-\d+\.pt", name):
                    yield name
