"""Bytes of images to pixels, in every way in which they may come, and what is said of others."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from trainer.errors import DataValidationError
from trainer.inference.images import ImagePreparation

GREY = ImagePreparation("image", 8, 10, 1)
COLOURS = ImagePreparation("image", 8, 10, 3)
PIXELS = np.random.default_rng(1).integers(0, 256, (8, 10, 3), dtype=np.uint8)


def file_of(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format=kind)
    return target.getvalue()


def frame(*images: bytes | str | None) -> pl.DataFrame:
    return pl.DataFrame({"image": pl.Series(images, dtype=pl.Object if str in map(type, images) else pl.Binary)})


def test_pixels_and_png_files_give_the_same(tmp_path: object) -> None:
    made = COLOURS.transform(frame(PIXELS.tobytes(), file_of(PIXELS)))
    assert made.shape == (2, 3, 8, 10)
    assert np.array_equal(made[0], PIXELS.transpose(2, 0, 1))
    assert np.array_equal(made[0], made[1])


def test_a_jpeg_is_near_and_colours_become_grey() -> None:
    smooth = np.full((8, 10, 3), 90, dtype=np.uint8)
    made = GREY.transform(frame(file_of(smooth, "JPEG")))
    assert made.shape == (1, 1, 8, 10)
    assert abs(made.astype(int) - 90).max() <= 2


BAD = {
    "corrupt": (file_of(PIXELS)[:60], "row 2 is corrupt"),
    "size": (file_of(PIXELS[:, :8]), "row 2 is 8 x 8 pixels, and 8 x 10 are needed"),
    "bytes": (b"\0" * 81, "row 2 has 81 bytes, neither a PNG or JPEG file nor 8 x 10 pixels of 1 byte \\(80\\)"),
    "header": (b"\x89PNG", "row 2 is corrupt: its header is damaged or cut off$"),
    "deep": (file_of(np.full((8, 10), 300, dtype=np.uint16)), "row 2 has 16 or more bits per pixel, expected 8"),
    "large": (file_of(np.zeros((9500, 9500), dtype=np.uint8)), "row 2 is 9500 x 9500 pixels, and 8 x 10 are needed"),
    "text": ("iVBORw0KGgo=", "row 2 is a str, expected bytes"),
    "missing": (None, "row 2 has no image"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_what_is_no_such_image_is_named(content: bytes | str | None, message: str) -> None:
    with pytest.raises(DataValidationError, match=f"image: 1 of 2 images cannot be used: {message}"):
        GREY.transform(frame(b"\0" * 80, content))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataValidationError, match="columns missing from the rows to predict: image"):
        GREY.transform(pl.DataFrame({"picture": [b""]}))


def test_an_image_is_turned_as_its_camera_was_held() -> None:
    target, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.fromarray(PIXELS.transpose(1, 0, 2)[:, ::-1].copy()).save(target, format="PNG", exif=exif)
    plain = COLOURS.transform(frame(file_of(np.rot90(PIXELS.transpose(1, 0, 2)[:, ::-1], -1).copy())))
    assert np.array_equal(COLOURS.transform(frame(target.getvalue())), plain)


def test_a_transparent_image_is_refused_and_an_opaque_one_is_not() -> None:
    opaque = np.dstack([PIXELS, np.full((8, 10), 255, dtype=np.uint8)])
    assert np.array_equal(COLOURS.transform(frame(file_of(opaque)))[0], PIXELS.transpose(2, 0, 1))
    opaque[0, 0, 3] = 10
    with pytest.raises(DataValidationError, match="row 1 is transparent in places, and no background is known"):
        COLOURS.transform(frame(file_of(opaque)))
