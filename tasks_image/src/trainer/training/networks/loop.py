"""The training loop of a network; killed at any moment, it goes on as if nothing had been."""

from __future__ import annotations

import logging
import math
import time
from abc import ABC, abstractmethod
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from trainer.errors import DivergedError
from trainer.process.sigterm import last_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from trainer.pipeline.networks import EpochParams
    from trainer.training.networks.checkpoints import Checkpoints

logger = logging.getLogger(__name__)

SECONDS_PER_MINUTE = 60
Aside = TypeVar("Aside")
"""Validation rows, as a training takes them."""


class Learned(NamedTuple):
    """What a batch has shown while it was learned."""

    loss: float
    """Its mean over rows, or over tokens."""
    size: int
    """How many rows or tokens that is."""
    hits: int = 0
    """Rows whose class was right."""


@dataclass(frozen=True)
class EpochEnd:
    """What is known once all training rows have been seen so many times."""

    epoch: int
    """From 1."""
    train_loss: float
    """Mean over the rows or tokens of the epoch, while the network was learning."""
    train_accuracy: float | None
    """None where no classes are learned."""
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


class NetworkTraining(ABC, Generic[Aside]):
    """A network that learns rows.

    The order of the rows follows from the seed and the epoch alone, and a checkpoint has all the rest: weights,
    optimiser, schedule and random numbers. On a CPU the result is the same to the bit, however often it was killed.
    """

    rows: int
    """Rows that are learned from."""

    def __init__(self, network: Any, params: EpochParams, seed: int, checkpoints: Checkpoints | None) -> None:
        import torch

        self.network, self.seed, self.checkpoints = network, seed, checkpoints
        self.epoch_params = params
        self.steps_per_epoch = -(-self.rows // params.batch_size)
        self.total_steps = params.epochs * self.steps_per_epoch
        learned = [one for one in network.parameters() if one.requires_grad]
        self.optimiser = torch.optim.AdamW(learned, lr=params.lr, weight_decay=params.weight_decay, fused=True)
        self.schedule = self._schedule()
        self.step, self.size, self.hits, self.loss, self.seconds = 0, 0, 0, 0.0, 0.0
        self._random_before: torch.Tensor | None = None
        self._ended: list[EpochEnd] = []
        self._resume()

    @staticmethod
    def chosen_device() -> torch.device:
        """A GPU where PyTorch sees one."""
        import torch

        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @abstractmethod
    def estimator(self) -> Any:
        """The network as it is now, to be served."""

    @abstractmethod
    def _schedule(self) -> torch.optim.lr_scheduler.LRScheduler:
        """How the optimiser's learning rate goes."""

    @abstractmethod
    def _gradient(self, chosen: torch.Tensor) -> Learned:
        """Compute the gradient of some rows, by their places."""

    @abstractmethod
    def _scored(self, aside: Aside) -> tuple[float | None, float | None]:
        """Loss and accuracy on rows that are not learned, as far as they are defined."""

    def epochs(self, aside: Aside | None) -> Iterator[EpochEnd]:
        """Train, and yield after each epoch; `aside` are validation rows, which are only looked at.

        Epochs that a checkpoint has come first, so that the curves of a resumed training are complete.
        Raises DivergedError where the loss is no number any more.
        """
        self._saved_at = time.monotonic()
        yield from self._ended
        with last_words(self._save_where_it_stands):
            while (epoch := self.step // self.steps_per_epoch) < self.epoch_params.epochs:
                self._train_epoch(epoch)
                end = self._end_of(epoch, aside)
                self._ended.append(end)
                self.size, self.hits, self.loss, self.seconds = 0, 0, 0.0, 0.0
                self._save()
                yield end

    def _train_epoch(self, epoch: int) -> None:
        import torch

        began = time.monotonic()
        self.network.train()
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order, size = torch.randperm(self.rows, generator=generator), self.epoch_params.batch_size
        for place in range(self.step % self.steps_per_epoch, self.steps_per_epoch):
            self._learn(order[place * size : (place + 1) * size])
            self._after_step()
            if time.monotonic() - self._saved_at > self.epoch_params.checkpoint_minutes * SECONDS_PER_MINUTE:
                self._save()
        self.seconds += time.monotonic() - began

    def _after_step(self) -> None:
        """Report progress, where there is something to say."""

    def _learn(self, chosen: torch.Tensor) -> None:
        """One step; what it needs to be undone is kept until it is done."""
        import torch

        self._random_before = torch.get_rng_state()
        self.optimiser.zero_grad(set_to_none=True)
        learned = self._gradient(chosen)
        if not math.isfinite(learned.loss):
            raise DivergedError(
                f"the loss is {learned.loss} at step {self.step + 1} of {self.total_steps}; lower "
                f"`lr` ({self.epoch_params.lr:g}). The last good checkpoint is kept"
            )
        self.optimiser.step()
        self.schedule.step()
        self.hits += learned.hits
        self.loss += learned.loss * learned.size
        self.size += learned.size
        self.step += 1
        self._random_before = None

    def _end_of(self, epoch: int, aside: Aside | None) -> EpochEnd:
        loss, accuracy = (None, None) if aside is None else self._scored(aside)
        return EpochEnd(epoch + 1, self.loss / self.size, self._train_accuracy(), loss, accuracy, self.seconds)

    def _train_accuracy(self) -> float | None:
        return None

    def _autocast(self) -> Any:
        """Half the bits where that is faster: on GPUs and on processors with bfloat16."""
        import torch

        device = self.chosen_device().type
        if device == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():  # noqa: SLF001  (asked nowhere else)
            return nullcontext()
        return torch.autocast(device, dtype=torch.bfloat16)

    def _weights(self) -> dict[str, Any]:
        """What a checkpoint keeps of the network: of one that is learned in part, that part and the buffers."""
        each = self.network.named_parameters(remove_duplicate=False)  # a tied weight has two names
        frozen = {name for name, one in each if not one.requires_grad}
        return {name: value for name, value in self.network.state_dict().items() if name not in frozen}

    def _save(self) -> None:
        import torch

        self._saved_at = time.monotonic()
        if self.checkpoints is None:
            return
        state = {
            "network": self._weights(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "step": self.step,
            "size": self.size,
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
        self.network.load_state_dict(state["network"], strict=False)  # what is frozen is not in there
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        self.step, self.hits, self.loss, self.size = (state[name] for name in ("step", "hits", "loss", "size"))
        self._ended = [EpochEnd(**end) for end in state["ended"]]
        logger.info("training goes on after step %d of %d, from a checkpoint", self.step, self.total_steps)


def train(training: NetworkTraining[Aside], aside: Aside | None, on_epoch: Callable[[EpochEnd], None]) -> Any:
    """Train to the end, and return the estimator; `on_epoch` gets each epoch."""
    for end in training.epochs(aside):
        on_epoch(end)
    return training.estimator()
