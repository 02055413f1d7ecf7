"""IDX files: images and labels as they were written, and what is said of files that are damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from trainer.errors import DataValidationError
from trainer.pipeline import IdxSource
from trainer.sources.readers import read_source

PIXELS = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)
LABELS = np.array([7, 0, 9], dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


def folder(tmp_path: Path, **files: bytes) -> IdxSource:
    """A folder in which MNIST's files are packed, others as they are."""
    given = {
        "train-images-idx3-ubyte.gz": gzip.compress(idx(PIXELS)),
        "train-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS)),
        "t10k-images-idx3-ubyte": idx(PIXELS[:1]),
        "t10k-labels-idx1-ubyte": idx(LABELS[:1]),
        **{name.replace("_", "-").replace("--", "."): content for name, content in files.items()},
    }
    for name, content in given.items():
        (tmp_path / name).write_bytes(content)
    return IdxSource(uri=str(tmp_path))


def test_images_and_labels_of_every_set_are_read(tmp_path: Path) -> None:
    rows, lineage = read_source(folder(tmp_path))
    assert rows["id"].to_list() == ["t10k-000000", "train-000000", "train-000001", "train-000002"]
    assert rows["set"].to_list() == ["t10k", "train", "train", "train"]
    assert rows["label"].to_list() == [7, 7, 0, 9]
    assert rows["image"].to_list() == [PIXELS[place].tobytes() for place in (0, 0, 1, 2)]
    assert lineage.kind == "idx"


BAD = {
    "cut off": ({"t10k_images_idx3_ubyte": idx(PIXELS[:1])[:-5]}, "its header promises 1 x 8 x 8 = 64 bytes, and 59"),
    "foreign": (
        {"t10k_labels_idx1_ubyte": b"\x89PNG and more"},
        "no IDX file of bytes in 1 dimension: it begins with 89",
    ),
    "empty header": ({"t10k_labels_idx1_ubyte": b"\0\0"}, "it begins with 00 00, expected 00 00 08 01"),
    "counts": ({"t10k_labels_idx1_ubyte": idx(LABELS)}, "t10k has 1 images and 3 labels; fetch both again"),
    "packed badly": ({"train_images_idx3_ubyte--gz": gzip.compress(idx(PIXELS))[:-9]}, "cannot be unpacked"),
}


@pytest.mark.parametrize(("files", "message"), BAD.values(), ids=BAD)
def test_a_damaged_file_is_named(files: dict[str, bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataValidationError, match=message):
        read_source(folder(tmp_path, **files))


def test_images_without_labels_are_refused(tmp_path: Path) -> None:
    source = folder(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataValidationError, match="t10k-labels-idx1-ubyte is missing"):
        read_source(source)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other-ubyte").write_bytes(idx(LABELS))
    with pytest.raises(DataValidationError, match="no file is called …-images-idx3-ubyte.*found: other-ubyte"):
        read_source(IdxSource(uri=str(tmp_path)))
