"""Training the network of images, beside a plain loop of PyTorch with one sample at a time from its loader."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from bench.figure import Figure
from bench.timing import alternate, cpu_seconds
from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from trainer.training.networks.image_training import Labelled

ROWS, CLASSES = 6_000, 10
REPEATS = 3
GOAL = 1 / 2.2
"""Of the CPU seconds for an epoch of the same network with as many images."""
PLAIN_BATCH, PLAIN_RATE = 64, 1e-3
SHAPE = (1, 28, 28)


def image_epoch() -> list[Figure]:
    """An epoch of the pipeline's training, in CPU seconds. Raises ConfigurationError without PyTorch."""
    if importlib.util.find_spec("torch") is None:
        raise ConfigurationError("image_epoch: PyTorch is not installed: make setup-deep")
    import torch

    torch.set_num_threads(1)
    rows = _rows()
    pair = alternate(lambda: cpu_seconds(lambda: _ours(rows)), lambda: cpu_seconds(lambda: _plain(rows)), REPEATS)
    how = (
        f"an epoch of the convolutional network, {ROWS:,} images of 28 x 28, one thread, against a loop with a "
        f"DataLoader of single samples, batch {PLAIN_BATCH}, Adam; median of {REPEATS} pairs"
    )
    return [Figure("image_epoch", pair.value, pair.reference, GOAL, "lower", "CPU s", how)]


def _rows() -> Labelled:
    import numpy as np

    from trainer.training.networks.image_training import Labelled

    random = np.random.default_rng(42)
    pixels = random.integers(0, 256, (ROWS, *SHAPE), dtype=np.uint8)
    return Labelled(pixels, random.integers(0, CLASSES, ROWS))


def _ours(rows: Labelled) -> None:
    from trainer.pipeline.images import NetworkParams
    from trainer.training.networks.image_training import ImageTraining
    from trainer.training.networks.loop import train

    train(ImageTraining(rows, CLASSES, NetworkParams(epochs=1), seed=42), None, lambda _end: None)


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
