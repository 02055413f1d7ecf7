"""The network of images: its training beside a plain loop of PyTorch, its checkpoints, and its answers."""

from __future__ import annotations

import importlib.util
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figure import Figure
from bench.prediction import garbage_kept, loaded
from bench.timing import alternate, cpu_seconds, wall_seconds
from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from trainer.inference.fitted import FittedPipeline
    from trainer.training.networks.checkpoints import Checkpoints
    from trainer.training.networks.image_training import ImageTraining, Labelled

ROWS, CLASSES = 6_000, 10
REPEATS = 3
GOAL = 1 / 2.2
"""Of the CPU seconds for an epoch of the same network with as many images."""
PLAIN_BATCH, PLAIN_RATE = 64, 1e-3
SHAPE = (1, 28, 28)
CHECKPOINT_SHARE = 0.03
MANY, CALLS, ANSWER_REPEATS = 1_000, 100, 11
LONGEST_MS, THROUGHPUT = 5.0, 0.8


def image_epoch() -> list[Figure]:
    """An epoch of the pipeline's training, in CPU seconds. Raises ConfigurationError without PyTorch."""
    _need_torch("image_epoch")
    rows = _rows()
    pair = alternate(lambda: cpu_seconds(lambda: _ours(rows)), lambda: cpu_seconds(lambda: _plain(rows)), REPEATS)
    how = (
        f"an epoch of the convolutional network, {ROWS:,} images of 28 x 28, one thread, against a loop with a "
        f"DataLoader of single samples, batch {PLAIN_BATCH}, Adam; median of {REPEATS} pairs"
    )
    return [Figure("image_epoch", pair.value, pair.reference, GOAL, "lower", "CPU s", how)]


def image_checkpoint() -> list[Figure]:
    """A checkpoint beside an epoch, after which one is written. Raises ConfigurationError without PyTorch."""
    _need_torch("image_checkpoint")
    from trainer.run import RunFolder
    from trainer.training.networks.checkpoints import Checkpoints

    rows = _rows()
    with tempfile.TemporaryDirectory() as folder:
        training = _training(rows, Checkpoints.of(RunFolder.open(folder).at("train", "cnn"), {}))
        [*training.epochs(None)]
        pair = alternate(
            lambda: wall_seconds(training._save),  # noqa: SLF001  (what each epoch ends with)
            lambda: wall_seconds(lambda: _ours(rows)),
            REPEATS,
        )
    how = (
        f"a checkpoint on a local disk, against an epoch of {ROWS:,} images of 28 x 28, a tenth of MNIST's, on one "
        f"thread; median of {REPEATS} pairs"
    )
    return [Figure("image_checkpoint", pair.value, pair.reference, CHECKPOINT_SHARE, "lower", "s", how)]


def image_answers() -> list[Figure]:
    """One image on the clock, and many beside the bare network. Raises ConfigurationError without PyTorch."""
    _need_torch("image_answer")
    import polars as pl

    rows = _rows()
    fitted = _fitted(rows)
    images = pl.DataFrame({"image": [one.tobytes() for one in rows.pixels[:MANY]]})
    with tempfile.TemporaryDirectory() as folder:
        model = loaded(fitted, images.head(10), Path(folder))
    asked, bare = images.to_pandas(), partial(fitted.estimator.predict_proba, rows.pixels[:MANY])
    one = asked.head(1)
    with garbage_kept():
        milliseconds = 1000 * statistics.median(wall_seconds(lambda: model.predict(one)) for _ in range(CALLS))
    pair = alternate(
        lambda: MANY / wall_seconds(lambda: model.predict(asked)), lambda: MANY / wall_seconds(bare), ANSWER_REPEATS
    )
    what = "the convolutional network, saved as steps save it and loaded by MLflow, on one thread, answers"
    first = f"{what} one image of 28 x 28, its pixels as bytes: median of {CALLS} calls, against {LONGEST_MS:g} ms"
    second = (
        f"{what} {MANY:,} of them, against the bare network on the same pixels as an array; median of "
        f"{ANSWER_REPEATS} pairs"
    )
    return [
        Figure("image_answer", milliseconds, LONGEST_MS, 1.0, "lower", "ms", first),
        Figure("image_throughput", pair.value, pair.reference, THROUGHPUT, "higher", "images/s", second),
    ]


def _need_torch(name: str) -> None:
    if importlib.util.find_spec("torch") is None:
        raise ConfigurationError(f"{name}: PyTorch is not installed: make setup-deep")
    import torch

    torch.set_num_threads(1)


def _fitted(rows: Labelled) -> FittedPipeline:
    from trainer.inference.fitted import FittedPipeline
    from trainer.inference.images import ImagePreparation

    _, height, width = SHAPE
    preparation = ImagePreparation("image", height, width, 1)
    return FittedPipeline(preparation, _training(rows).estimator(), tuple(range(CLASSES)), None)


def _training(rows: Labelled, checkpoints: Checkpoints | None = None) -> ImageTraining:
    from trainer.pipeline.images import NetworkParams
    from trainer.training.networks.image_training import ImageTraining

    return ImageTraining(rows, CLASSES, NetworkParams(epochs=1), 42, checkpoints)


def _rows() -> Labelled:
    import numpy as np

    from trainer.training.networks.image_training import Labelled

    random = np.random.default_rng(42)
    pixels = random.integers(0, 256, (ROWS, *SHAPE), dtype=np.uint8)
    return Labelled(pixels, random.integers(0, CLASSES, ROWS))


def _ours(rows: Labelled) -> None:
    from trainer.training.networks.loop import train

    train(_training(rows), None, lambda _end: None)


def _plain(rows: Labelled) -> None:
    import torch
    from torch.utils.data import DataLoader

    from trainer.inference.networks import cnn
    from trainer.pipeline.images import NetworkParams

    network = cnn(NetworkParams().model_dump(), SHAPE, CLASSES)
    optimiser = torch.optim.Adam(network.parameters(), lr=PLAIN_RATE)
    samples: Any = _Samples(rows)
    for pixels, codes in DataLoader(samples, batch_size=PLAIN_BATCH, shuffle=True):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(pixels), codes).backward()
        optimiser.step()


class _Samples:
    """One image at a time as a standardised tensor, as most examples have it."""

    def __init__(self, rows: Labelled) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows.codes)

    def __getitem__(self, place: int) -> tuple[Any, int]:
        import torch

        pixels = torch.from_numpy(self.rows.pixels[place].copy()).float().div(255)
        return (pixels - 0.1307) / 0.3081, int(self.rows.codes[place])
