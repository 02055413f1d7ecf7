"""Changes of images that are stored as files of any kind."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from trainer.evaluation.image_changes import change_images
from trainer.pipeline import Behaviour

LEVEL = Image.new("L", (8, 10), 100)
BRIGHTER = Behaviour.model_validate({"name": "brighter", "set": {"image": "brighter"}, "expect": "unchanged"})


def file_of(image: Image.Image, kind: str = "PNG") -> bytes:
    target = io.BytesIO()
    image.save(target, format=kind)
    return target.getvalue()


FILES = {
    "grey": (file_of(LEVEL), 110),
    "palette": (file_of(LEVEL.convert("RGB").quantize(2)), 110),
    "black and white": (file_of(Image.new("1", (8, 10), 1)), 255),
    "transparent": (file_of(LEVEL.convert("RGBA")), 110),
    "CMYK": (file_of(LEVEL.convert("RGB").convert("CMYK"), "JPEG"), 110),
}


@pytest.mark.parametrize(("content", "level"), FILES.values(), ids=FILES)
def test_files_of_every_kind_get_brighter(content: bytes, level: int) -> None:
    rows = pl.DataFrame({"image": pl.Series([content], dtype=pl.Binary)})
    changed = change_images(BRIGHTER, rows, seed=1).rows["image"][0]
    pixels = np.asarray(Image.open(io.BytesIO(changed)).convert("L")).astype(int)
    assert pixels.shape == (10, 8)
    assert abs(pixels - level).max() <= 2
