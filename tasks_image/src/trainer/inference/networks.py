"""The networks that can be served, as PyTorch's modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KERNEL, POOLED = 3, 2


def cnn(params: Mapping[str, Any], shape: tuple[int, int, int], classes: int) -> Any:
    """Two convolutions, each followed by pooling, then two fully connected layers, with weights yet to be learned.

    Takes standardised pixels (n, channels, height, width) and gives a score for each class (n, classes), whose softmax
    is its probability.
    """
    from torch import nn

    channels, height, width = shape
    first, second = params["channels"]
    flat = second * (height // POOLED**2) * (width // POOLED**2)
    return nn.Sequential(
        nn.Conv2d(channels, first, KERNEL, padding=1),
        nn.MaxPool2d(POOLED),
        nn.ReLU(),  # after the pooling, which gives the same and costs a quarter
        nn.Conv2d(first, second, KERNEL, padding=1),
        nn.MaxPool2d(POOLED),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(flat, params["hidden"]),
        nn.ReLU(),
        nn.Dropout(params["dropout"]),
        nn.Linear(params["hidden"], classes),
    )


def standardised(pixels: Any, mean: Any, deviation: Any) -> Any:
    """Pixels (n, channels, height, width) with the mean 0 and the standard deviation 1 by those of each channel."""
    return (pixels.float() - mean.reshape(1, -1, 1, 1)) / deviation.reshape(1, -1, 1, 1)
