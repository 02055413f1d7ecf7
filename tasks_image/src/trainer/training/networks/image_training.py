"""Training of a network that classifies images."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from trainer.inference.network_estimator import NetworkEstimator
from trainer.training.networks.loop import NetworkTraining, Sums
from trainer.training.networks.ranks import ALONE, Ranks

if TYPE_CHECKING:
    import numpy as np
    import torch

    from trainer.pipeline.images import NetworkParams
    from trainer.training.networks.checkpoints import Checkpoints

SCORED_AT_ONCE = 1000
LEVELS, COUNTED_AT_ONCE = 256, 500


@dataclass(frozen=True, eq=False)
class Labelled:
    """Pixels (n, channels, height, width), a byte each, and their class codes (n,)."""

    pixels: np.ndarray
    codes: np.ndarray


class ImageTraining(NetworkTraining[Labelled]):
    """A network that learns images."""

    learns_classes: ClassVar[bool] = True

    def __init__(
        self,
        rows: Labelled,
        classes: int,
        params: NetworkParams,
        seed: int,
        checkpoints: Checkpoints | None = None,
        *,
        ranks: Ranks = ALONE,
    ) -> None:
        import torch

        from trainer.inference.networks import cnn

        self.params, self.rows = params, len(rows.codes)
        self.device = self.chosen_device()
        torch.manual_seed(seed)
        _, *size = rows.pixels.shape
        self.shape: tuple[int, int, int] = (size[0], size[1], size[2])
        self.classes = classes
        network = cnn(params.model_dump(), self.shape, classes)
        self.pixels = torch.from_numpy(rows.pixels).to(self.device).contiguous(memory_format=torch.channels_last)
        self.codes = torch.from_numpy(rows.codes).to(self.device)
        mean, deviation = _mean_and_deviation(rows.pixels)
        self.mean = torch.from_numpy(mean).to(self.device)
        self.deviation = torch.from_numpy(deviation).to(self.device)
        super().__init__(network.to(self.device, memory_format=torch.channels_last), params, seed, checkpoints, ranks)

    def _schedule(self) -> torch.optim.lr_scheduler.LRScheduler:
        import torch

        total = max(2, self.total_steps)
        return torch.optim.lr_scheduler.OneCycleLR(self.optimiser, max_lr=self.params.lr, total_steps=total)

    def estimator(self) -> NetworkEstimator:
        """The network as it is now."""
        import torch

        weights = io.BytesIO()
        state = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        torch.save(state, weights)
        standard = tuple(self.mean.tolist()), tuple(self.deviation.tolist())
        return NetworkEstimator(self.params.model_dump(), self.shape, self.classes, *standard, weights.getvalue())

    @property
    def smallest_part(self) -> str:
        return "one image; lower `channels` or `hidden`"

    def _size_of(self, chosen: torch.Tensor) -> int:
        return len(chosen)

    def _loss_of(self, chosen: torch.Tensor) -> tuple[torch.Tensor, int]:
        import torch

        places = chosen.to(self.device)
        codes = self.codes[places]
        scores = self._scores(self.pixels[places])
        loss = torch.nn.functional.cross_entropy(scores.float(), codes, reduction="sum")
        return loss, int((scores.argmax(dim=1) == codes).sum())

    def _share_of(self, aside: Labelled) -> Labelled:
        return Labelled(self.ranks.share(aside.pixels), self.ranks.share(aside.codes))

    def _scored(self, aside: Labelled) -> Sums:
        import torch

        if not len(aside.codes):
            return Sums(0.0, 0)
        self.network.eval()
        losses, hits = 0.0, 0
        with torch.inference_mode(), self._autocast():
            batches = zip(
                torch.from_numpy(aside.pixels).split(SCORED_AT_ONCE),
                torch.from_numpy(aside.codes).split(SCORED_AT_ONCE),
                strict=True,
            )
            for batch, batch_codes in batches:
                pixels, codes = batch.to(self.device), batch_codes.to(self.device)
                scores = self._scores(pixels.contiguous(memory_format=torch.channels_last), self.network).float()
                losses += float(torch.nn.functional.cross_entropy(scores, codes, reduction="sum"))
                hits += int((scores.argmax(dim=1) == codes).sum())
        return Sums(losses, len(aside.codes), hits)

    def _scores(self, pixels: torch.Tensor, network: Any = None) -> torch.Tensor:
        from trainer.inference.networks import standardised

        return (network or self.model)(standardised(pixels, self.mean, self.deviation))


def _mean_and_deviation(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (channels,) of pixels, some at a time: as floats all would take four times the room.

    A deviation below one level counts as one.
    """
    import numpy as np

    levels = np.arange(LEVELS, dtype=float)
    counts = np.zeros((pixels.shape[1], LEVELS))
    for begin in range(0, len(pixels), COUNTED_AT_ONCE):
        for channel, values in enumerate(pixels[begin : begin + COUNTED_AT_ONCE].swapaxes(0, 1)):
            counts[channel] += np.bincount(values.ravel(), minlength=LEVELS)
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ levels
    variance = (shares * (levels - mean[:, None]) ** 2).sum(axis=1)
    return mean.astype(np.float32), np.sqrt(variance).clip(min=1.0).astype(np.float32)
