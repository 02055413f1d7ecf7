"""Images as a model takes them: the bytes of each in a column, and its pixels as an array."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from trainer.errors import DataValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import polars as pl
    from PIL.Image import Image as OpenImage

    from trainer.pipeline.images import Images

ENCODED = (b"\x89PNG", b"\xff\xd8\xff")
"""The first bytes of PNG and JPEG files; all other bytes are pixels."""
MODES = {1: "L", 3: "RGB"}
DEEP_MODES = ("I", "F")
"""Pillow's names for images of 16 and 32 bits per pixel: converted to 8 bits, all levels above 255 would be white."""
EXAMPLES = 5
ORIENTATION, ON_THEIR_SIDES = 0x0112, {5, 6, 7, 8}
"""The EXIF tag that says how a camera was held, and its values for images whose rows are columns."""


@dataclass(frozen=True)
class ImagePreparation:
    """Turns the bytes of images into pixels."""

    column: str
    height: int
    width: int
    channels: int
    constants: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def of(cls, images: Images) -> ImagePreparation:
        """Return the preparation of the images that a pipeline describes."""
        return cls(images.column, images.height, images.width, images.channels)

    @property
    def inputs(self) -> dict[str, str]:
        """The one column that the model takes."""
        return {self.column: "Binary"}

    def transform(self, frame: pl.DataFrame) -> np.ndarray:
        """Images (n rows) as pixels (n, channels, height, width) from 0 to 255. Raises DataValidationError."""
        if self.column not in frame.columns:
            raise DataValidationError(f"columns missing from the rows to predict: {self.column}")
        return self.pixels(frame[self.column].to_list())

    def pixels(self, images: Iterable[bytes | None]) -> np.ndarray:
        """Pixels (n, channels, height, width), a byte each. Raises DataValidationError that names wrong images."""
        import numpy as np

        found, wrong = [], []
        for place, content in enumerate(images):
            pixels = why = None
            try:
                pixels = self._decoded(content)
            except ValueError as error:
                why = str(error)
            found.append(pixels)
            if why:
                wrong.append(f"row {place + 1} {why}")
        if wrong:
            shown = "; ".join(wrong[:EXAMPLES])
            raise DataValidationError(f"{self.column}: {len(wrong)} of {len(found)} images cannot be used: {shown}")
        shape = (len(found), self.height, self.width, self.channels)
        return np.ascontiguousarray(np.array(found, dtype=np.uint8).reshape(shape).transpose(0, 3, 1, 2))

    def why_wrong(self, content: bytes | None) -> str:
        """Return why an image cannot be used, for a message; an empty text if it can."""
        try:
            self._decoded(content)
        except ValueError as error:
            return str(error)
        return ""

    def _decoded(self, content: bytes | None) -> np.ndarray:
        """An image as pixels (height, width, channels). Raises ValueError."""
        import numpy as np

        if content is None:
            raise ValueError("has no image")
        if not isinstance(content, bytes):
            raise ValueError(f"is a {type(content).__name__}, expected bytes; pass the content of the file")  # noqa: TRY004
        if content.startswith(ENCODED):
            return self._from_file(content)
        needed = self.height * self.width * self.channels
        if len(content) != needed:
            raise ValueError(
                f"has {len(content):,} bytes, neither a PNG or JPEG file nor {self.height} x {self.width} pixels of "
                f"{self.channels} byte{'s' * (self.channels > 1)} ({needed:,})"
            )
        return np.frombuffer(content, dtype=np.uint8).reshape(self.height, self.width, self.channels)

    def _from_file(self, content: bytes) -> np.ndarray:
        import numpy as np
        from PIL import Image, ImageOps, UnidentifiedImageError

        try:
            with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
                image = Image.open(io.BytesIO(content))
            with image:
                self._check_header(image)  # before any pixel is decoded, of which there may be billions
                _refuse_transparent(image)
                upright = ImageOps.exif_transpose(image)
                pixels = np.asarray(upright.convert(MODES[self.channels]))
        except Image.DecompressionBombError as error:
            raise ValueError(f"is too large: {error}") from error
        except UnidentifiedImageError as error:
            raise ValueError("is corrupt: its header is damaged or cut off") from error
        except (OSError, SyntaxError) as error:
            raise ValueError(f"is corrupt: {error}") from error
        return pixels.reshape(self.height, self.width, self.channels)

    def _check_header(self, image: OpenImage) -> None:
        """Raise ValueError for an image of another size, or with more than a byte for each level."""
        lies_on_its_side = image.getexif().get(ORIENTATION, 1) in ON_THEIR_SIDES
        width, height = reversed(image.size) if lies_on_its_side else image.size
        if (width, height) != (self.width, self.height):
            found, needed = f"{height} x {width}", f"{self.height} x {self.width}"
            raise ValueError(f"is {found} pixels, and {needed} are needed")
        if image.mode.startswith(DEEP_MODES):
            raise ValueError("has 16 or more bits per pixel, expected 8; scale its levels to 0 to 255")


def _refuse_transparent(image: OpenImage) -> None:
    """Raise ValueError for an image that lets a background through, which nobody has named."""
    if not image.has_transparency_data:
        return
    opaque = 255
    if min(image.convert("RGBA").getchannel("A").tobytes()) < opaque:
        raise ValueError("is transparent in places, and no background is known; draw it onto one")
