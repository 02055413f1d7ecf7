"""The kinds of rows: numbers and texts in columns, images, or whole texts. There is one object for each modality."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from trainer.modalities.modality import Modality
    from trainer.pipeline import Pipeline

    P = TypeVar("P", bound=Pipeline)

MODALITIES = {
    "tabular": "trainer.modalities.tabular.Tabular",
    "images": "trainer.modalities.images.ImageModality",
    "text": "trainer.modalities.texts.TextModality",
}
"""The class of each modality, imported when a pipeline needs it: each has libraries of its own."""


def modality_of(pipeline: P) -> Modality[P]:
    """Return the modality of a pipeline's rows."""
    module, _, name = MODALITIES[pipeline.modality].rpartition(".")
    kind: type[Modality[P]] = getattr(importlib.import_module(module), name)
    return kind()
