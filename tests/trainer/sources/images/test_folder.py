"""Folders of PNG and JPEG files, one for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.errors import DataValidationError
from trainer.pipeline import ImageFolderSource
from trainer.sources.images import folder as module
from trainer.sources.readers import read_source


def picture(file: Path, seed: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)


def test_each_image_has_the_name_of_its_folder_as_its_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    for place, name in enumerate(("cat/a.png", "cat/b.jpg", "dog/a.png", "cat/notes.txt", "dog/.hidden.png")):
        if name.endswith(".txt"):
            (tmp_path / name).write_text("no image")
        else:
            picture(tmp_path / name, place)
    rows, lineage = read_source(ImageFolderSource(uri=str(tmp_path)))
    assert rows.select("id", "label").rows() == [("cat/a.png", "cat"), ("cat/b.jpg", "cat"), ("dog/a.png", "dog")]
    assert lineage.notes == ("skipped files that do not end with .png or .jpg or .jpeg: 1, such as cat/notes.txt",)
    assert rows["image"][0] == (tmp_path / "cat/a.png").read_bytes()


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "cat/a.png")
    with pytest.raises(DataValidationError, match="all 1 images lie in the folder 'cat'; one folder for each class"):
        read_source(ImageFolderSource(uri=str(tmp_path)))
