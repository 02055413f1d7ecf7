"""The training loop of a network that classifies images; killed at any moment, it goes on as if nothing had been."""

from __future__ import annotations

import io
import logging
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from trainer.errors import DivergedError
from trainer.inference.network_estimator import NetworkEstimator
from trainer.process.sigterm import last_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import torch

    from trainer.pipeline.images import NetworkParams
    from trainer.training.networks.checkpoints import Checkpoints

logger = logging.getLogger(__name__)

SECONDS_PER_MINUTE = 60
SCORED_AT_ONCE = 1000
LEVELS, COUNTED_AT_ONCE = 256, 500


@dataclass(frozen=True, eq=False)
class Labelled:
    """Pixels (n, channels, height, width), a byte each, and their class codes (n,)."""

    pixels: np.ndarray
    codes: np.ndarray


@dataclass(frozen=True)
class EpochEnd:
    """What is known once all training rows have been seen so many times."""

    epoch: int
    """From 1."""
    train_loss: float
    """Mean over the epoch's batches, while the network was learning."""
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


class ImageTraining:
    """A network that learns images.

    The order of the rows follows from the seed and the epoch alone, and a checkpoint has all the rest: weights,
    optimiser, schedule and random numbers. On a CPU the result is the same to the bit, however often it was killed.
    """

    def __init__(
        self, rows: Labelled, classes: int, params: NetworkParams, seed: int, checkpoints: Checkpoints | None = None
    ) -> None:
        import torch

        from trainer.inference.networks import cnn

        self.params, self.seed, self.checkpoints = params, seed, checkpoints
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(seed)
        _, *size = rows.pixels.shape
        self.shape: tuple[int, int, int] = (size[0], size[1], size[2])
        self.classes = classes
        network = cnn(params.model_dump(), self.shape, classes)
        self.network = network.to(self.device, memory_format=torch.channels_last)
        self.pixels = torch.from_numpy(rows.pixels).to(self.device).contiguous(memory_format=torch.channels_last)
        self.codes = torch.from_numpy(rows.codes).to(self.device)
        mean, deviation = _mean_and_deviation(rows.pixels)
        self.mean = torch.from_numpy(mean).to(self.device)
        self.deviation = torch.from_numpy(deviation).to(self.device)
        self.steps_per_epoch = -(-len(self.codes) // params.batch_size)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=params.lr, weight_decay=params.weight_decay, fused=True
        )
        total = max(2, params.epochs * self.steps_per_epoch)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, max_lr=params.lr, total_steps=total)
        self.step, self.hits, self.loss, self.seconds = 0, 0, 0.0, 0.0
        self._random_before: torch.Tensor | None = None
        self._ended: list[EpochEnd] = []
        self._resume()

    def epochs(self, aside: Labelled | None) -> Iterator[EpochEnd]:
        """Train, and yield after each epoch; `aside` are validation rows, which are only looked at.

        Epochs that a checkpoint has come first, so that the curves of a resumed training are complete.
        Raises DivergedError where the loss is no number any more.
        """
        self._saved_at = time.monotonic()
        yield from self._ended
        with last_words(self._save_where_it_stands):
            while (epoch := self.step // self.steps_per_epoch) < self.params.epochs:
                self._train_epoch(epoch)
                end = self._end_of(epoch, aside)
                self._ended.append(end)
                self.hits, self.loss, self.seconds = 0, 0.0, 0.0
                self._save()
                yield end

    def estimator(self) -> NetworkEstimator:
        """The network as it is now."""
        import torch

        weights = io.BytesIO()
        state = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
        torch.save(state, weights)
        standard = tuple(self.mean.tolist()), tuple(self.deviation.tolist())
        return NetworkEstimator(self.params.model_dump(), self.shape, self.classes, *standard, weights.getvalue())

    def _train_epoch(self, epoch: int) -> None:
        import torch

        began = time.monotonic()
        self.network.train()
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(len(self.codes), generator=generator).to(self.device)
        for place in range(self.step % self.steps_per_epoch, self.steps_per_epoch):
            chosen = order[place * self.params.batch_size : (place + 1) * self.params.batch_size]
            self._learn(self.pixels[chosen], self.codes[chosen])
            if time.monotonic() - self._saved_at > self.params.checkpoint_minutes * SECONDS_PER_MINUTE:
                self._save()
        self.seconds += time.monotonic() - began

    def _learn(self, pixels: torch.Tensor, codes: torch.Tensor) -> None:
        """One step; what it needs to be undone is kept until it is done."""
        import torch

        self._random_before = torch.get_rng_state()
        with self._autocast():
            scores = self._scores(pixels)
            loss = torch.nn.functional.cross_entropy(scores.float(), codes)
        value = float(loss.detach())
        if value != value or value == float("inf"):  # noqa: PLR0124  (NaN)
            raise DivergedError(
                f"the loss is {value} at step {self.step + 1} of {self.params.epochs * self.steps_per_epoch}; lower "
                f"`lr` ({self.params.lr:g}). The last good checkpoint is kept"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        self.hits += int((scores.argmax(dim=1) == codes).sum())
        self.loss += value * len(codes)
        self.step += 1
        self._random_before = None

    def _end_of(self, epoch: int, aside: Labelled | None) -> EpochEnd:
        rows = len(self.codes)
        loss, accuracy = self._scored(aside) if aside is not None and len(aside.codes) else (None, None)
        return EpochEnd(epoch + 1, self.loss / rows, self.hits / rows, loss, accuracy, self.seconds)

    def _scored(self, rows: Labelled) -> tuple[float, float]:
        """Loss and accuracy on rows that are not learned."""
        import torch

        self.network.eval()
        losses, hits = 0.0, 0
        with torch.inference_mode(), self._autocast():
            batches = zip(
                torch.from_numpy(rows.pixels).split(SCORED_AT_ONCE),
                torch.from_numpy(rows.codes).split(SCORED_AT_ONCE),
                strict=True,
            )
            for batch, batch_codes in batches:
                pixels, codes = batch.to(self.device), batch_codes.to(self.device)
                scores = self._scores(pixels.contiguous(memory_format=torch.channels_last)).float()
                losses += float(torch.nn.functional.cross_entropy(scores, codes, reduction="sum"))
                hits += int((scores.argmax(dim=1) == codes).sum())
        return losses / len(rows.codes), hits / len(rows.codes)

    def _autocast(self) -> Any:
        """Half the bits where that is faster: on GPUs and on processors with bfloat16."""
        import torch

        if self.device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():  # noqa: SLF001  (asked nowhere else)
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _scores(self, pixels: torch.Tensor) -> torch.Tensor:
        from trainer.inference.networks import standardised

        return self.network(standardised(pixels, self.mean, self.deviation))

    def _save(self) -> None:
        import torch

        self._saved_at = time.monotonic()
        if self.checkpoints is None:
            return
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "step": self.step,
            "hits": self.hits,
            "loss": self.loss,
            "ended": [asdict(end) for end in self._ended],
        }
        self.checkpoints.save(state, self.step)

    def _save_where_it_stands(self) -> None:
        """At SIGTERM, which may come in the middle of a step: that step is undone, or brought to its end."""
        import torch

        applied = int(next((float(one["step"]) for one in self.optimiser.state.values()), 0.0))
        if applied == self.step and self._random_before is not None:
            torch.set_rng_state(self._random_before)
        while self.schedule.last_epoch < applied:
            self.schedule.step()
        self.step = applied
        self._save()
        logger.info("checkpoint written after step %d", self.step)

    def _resume(self) -> None:
        import torch

        state = None if self.checkpoints is None else self.checkpoints.newest()
        if state is None:
            return
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        self.step, self.hits, self.loss = state["step"], state["hits"], state["loss"]
        self._ended = [EpochEnd(**end) for end in state["ended"]]
        done, total = self.step, self.params.epochs * self.steps_per_epoch
        logger.info("training goes on after step %d of %d, from a checkpoint", done, total)


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


def train(training: ImageTraining, aside: Labelled | None, on_epoch: Callable[[EpochEnd], None]) -> NetworkEstimator:
    """Train to the end; `on_epoch` gets each epoch."""
    for end in training.epochs(aside):
        on_epoch(end)
    return training.estimator()
