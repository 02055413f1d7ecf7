"""Images changed on purpose: what a person would still recognise, a model should as well."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from trainer.evaluation.behaviour import MOST_ROWS, Changed
from trainer.evaluation.content_changes import drawn
from trainer.inference.images import ENCODED

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from trainer.pipeline import Behaviour

    Pixels = NDArray[Any]

BRIGHTER, NOISE = 1.1, 8
GREY_MODES = ("1", "L", "LA")
"""Pillow's names for images without colours: black and white, grey, and grey with transparency."""


def _brighter(pixels: Pixels, random: np.random.Generator) -> Pixels:  # noqa: ARG001
    return pixels * BRIGHTER


def _darker(pixels: Pixels, random: np.random.Generator) -> Pixels:  # noqa: ARG001
    return pixels / BRIGHTER


def _noisy(pixels: Pixels, random: np.random.Generator) -> Pixels:
    return pixels + random.normal(0, NOISE, pixels.shape)


CHANGES = {"brighter": _brighter, "darker": _darker, "noisy": _noisy}
"""A tenth brighter or darker; noise with a standard deviation of 8 of 255 levels."""


def change_images(behaviour: Behaviour, rows: pl.DataFrame, seed: int) -> Changed:
    """The rows with their images changed; a seeded draw where there are too many."""
    import numpy as np
    import polars as pl

    ((column, change),) = behaviour.set.items()
    random = np.random.default_rng(seed)
    positions = drawn(rows.height, MOST_ROWS, random)
    some = rows[positions]
    changed = [_changed(content, change, random) for content in some[column].to_list()]
    return Changed(positions, some.with_columns(pl.Series(column, changed, dtype=pl.Binary)))


def _changed(content: bytes, change: str, random: np.random.Generator) -> bytes:
    """An image changed, in the way in which it was given; a file becomes a PNG, which loses nothing."""
    import numpy as np

    if not content.startswith(ENCODED):
        pixels = np.frombuffer(content, dtype=np.uint8).astype(float)
        return CHANGES[change](pixels, random).clip(0, 255).round().astype(np.uint8).tobytes()
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content)) as image:
        upright = ImageOps.exif_transpose(image)
        levels = upright.convert("L" if image.mode in GREY_MODES else "RGB")  # of a palette, not its indices
    pixels = np.asarray(levels).astype(float)
    made = Image.fromarray(CHANGES[change](pixels, random).clip(0, 255).round().astype(np.uint8))
    target = io.BytesIO()
    made.save(target, format="PNG")
    return target.getvalue()
