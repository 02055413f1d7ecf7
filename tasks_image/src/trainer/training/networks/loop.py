"""The training loop of a network; killed at any moment, it goes on as if nothing had been."""

from __future__ import annotations

import logging
import math
import time
from abc import ABC, abstractmethod
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from trainer.errors import DivergedError, ModelTrainingError
from trainer.process.sigterm import ENDED, last_words
from trainer.training.networks.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from trainer.pipeline.networks import EpochParams
    from trainer.training.networks.checkpoints import Checkpoints

logger = logging.getLogger(__name__)

SECONDS_PER_MINUTE = 60
Aside = TypeVar("Aside")
"""Validation rows, as a training takes them."""


class Sums(NamedTuple):
    """Sums over rows: over a batch that was learned, or over rows that were scored."""

    loss: float
    size: float
    """Rows, or tokens."""
    hits: float = 0
    """Rows whose class was right."""


@dataclass(frozen=True)
class Progress:
    """The state of a running training."""

    step: int
    steps: int
    loss: float
    """Mean over the rows or tokens of the epoch so far."""
    tokens_per_second: float
    seconds_left: float


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
    """A network that learns rows, in one process or in several that compute a share of each batch (data-parallel).

    The order of the rows follows from the seed and the epoch, dropout from the seed, the step and the rank, and a
    checkpoint has all the rest: weights, optimiser and schedule. On a CPU the result is the same to the bit, however
    often it was killed. Several processes give the result of one, up to floating point and dropout: the batch of the
    parameters is the one of all processes together, whether or not their number divides it.
    """

    rows: int
    """Rows that are learned from."""
    learns_classes: ClassVar[bool] = False
    """True if an accuracy is defined."""

    def __init__(
        self, network: Any, params: EpochParams, seed: int, checkpoints: Checkpoints | None, ranks: Ranks = ALONE
    ) -> None:
        import torch

        self.network, self.seed, self.checkpoints = network, seed, checkpoints
        self.epoch_params, self.ranks = params, ranks
        self.on_progress: Callable[[Progress], None] | None = None
        self.parts = params.accumulation
        """Parts in which this process computes its share of a batch."""
        self.steps_per_epoch = -(-self.rows // params.batch_size)
        self.total_steps = params.epochs * self.steps_per_epoch
        learned = [one for one in network.parameters() if one.requires_grad]
        self.optimiser = torch.optim.AdamW(learned, lr=params.lr, weight_decay=params.weight_decay, fused=True)
        self.schedule = self._schedule()
        self.step, self.size, self.hits, self.loss, self.seconds = 0, 0.0, 0.0, 0.0, 0.0
        self._ended: list[EpochEnd] = []
        self._rehearsed = ranks.number == 1
        self._resume()
        self.model = ranks.wrapped(network)
        """The network as it is called: its gradients become those of all processes together."""

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
    def _size_of(self, chosen: torch.Tensor) -> int:
        """Return the number of rows or tokens to which the loss of a batch is averaged."""

    @abstractmethod
    def _loss_of(self, chosen: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Return the loss summed over rows or tokens, and how many rows were right, of rows by their places."""

    @abstractmethod
    def _share_of(self, aside: Aside) -> Aside:
        """Return the validation rows that this process scores."""

    @abstractmethod
    def _scored(self, aside: Aside) -> Sums:
        """Score rows that are not learned."""

    def epochs(self, aside: Aside | None) -> Iterator[EpochEnd]:
        """Train, and yield after each epoch; `aside` are validation rows, which are only looked at.

        Epochs that a checkpoint has come first, so that the curves of a resumed training are complete.
        Raises DivergedError where the loss is no number any more, ModelTrainingError where one row does not fit into
        the memory of the GPU, and SystemExit(143) after a step during which one of several processes got SIGTERM.
        """
        self._saved_at = time.monotonic()
        yield from self._ended
        with last_words(self._save_where_it_stands):
            while (epoch := self.step // self.steps_per_epoch) < self.epoch_params.epochs:
                self._train_epoch(epoch)
                end = self._end_of(epoch, aside)
                self._ended.append(end)
                self.size, self.hits, self.loss, self.seconds = 0.0, 0.0, 0.0, 0.0
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
            if self.ranks.one_has_to_end:
                raise SystemExit(ENDED)
            if time.monotonic() - self._saved_at > self.epoch_params.checkpoint_minutes * SECONDS_PER_MINUTE:
                self._save()
        self.seconds += time.monotonic() - began

    def _after_step(self) -> None:
        """Report progress, where there is something to say."""

    def _learn(self, chosen: torch.Tensor) -> None:
        """One step. What it needs to be undone is known: nothing but the weights and the optimiser change."""
        self.optimiser.zero_grad(set_to_none=True)
        learned = self._gradient(chosen)
        loss = learned.loss / learned.size if self._clip() else math.nan
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss is {loss} at step {self.step + 1} of {self.total_steps}; lower "
                f"`lr` ({self.epoch_params.lr:g}). The last good checkpoint is kept"
            )
        self.optimiser.step()
        self.schedule.step()
        self.hits += learned.hits
        self.loss += learned.loss
        self.size += learned.size
        self.step += 1

    def _gradient(self, chosen: torch.Tensor) -> Sums:
        """Compute the gradient of a batch, of which this process takes its share, as the mean over the whole batch."""
        size, mine = self._size_of(chosen), self.ranks.share(chosen)
        # A process without a share takes part with a row that does not count: all wait for each other's gradients.
        factor, mine = (self.ranks.number / size, mine) if len(mine) else (0.0, chosen[:1])
        if not self._rehearsed:
            self._halving(mine, factor, synchronised=False)
            self.optimiser.zero_grad(set_to_none=True)
            self._rehearsed = True
        compute = self._halving if self.ranks.number == 1 else self._in_parts
        own = compute(mine, factor, synchronised=True)
        loss, hits = self.ranks.summed(*(own if factor else (0.0, 0.0)))
        return Sums(loss, size, hits)

    def _halving(self, chosen: torch.Tensor, factor: float, *, synchronised: bool) -> tuple[float, int]:
        """Compute a gradient in as many parts as fit into memory; the sum is the same.

        Several processes do so once before their first step together, when none waits for another.
        """
        import torch

        while True:
            try:
                return self._in_parts(chosen, factor, synchronised=synchronised)
            except torch.OutOfMemoryError as error:
                if self.parts >= len(chosen):
                    raise ModelTrainingError(f"the GPU has no memory for {self.smallest_part}") from error
            self.optimiser.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            self.parts *= 2
            logger.warning(
                "the GPU's memory is full: from step %d on each batch is computed in %d parts, with the same result",
                self.step + 1, self.parts,
            )  # fmt: skip

    @property
    @abstractmethod
    def smallest_part(self) -> str:
        """A row, and what makes it need less memory."""

    def _in_parts(self, chosen: torch.Tensor, factor: float, *, synchronised: bool) -> tuple[float, int]:
        """Add up the gradients of parts, times a factor; return the sum of the loss, and the hits."""
        import torch

        torch.manual_seed(((self.seed * 1_000_003 + self.step) * 65_537 + self.ranks.rank) % 2**63)  # of dropout
        loss, hits = 0.0, 0
        parts = chosen.chunk(self.parts)
        for number, part in enumerate(parts, start=1):
            with self.ranks.summing_gradients(self.model, synchronised and number == len(parts)):
                with self._autocast():
                    summed, right = self._loss_of(part)
                (summed * factor).backward()
            loss += float(summed.detach())
            hits += right
        return loss, hits

    def _clip(self) -> bool:
        """Shorten the gradient where that is asked for; return False if it is not finite."""
        return True

    def _end_of(self, epoch: int, aside: Aside | None) -> EpochEnd:
        train, scored = Sums(self.loss, self.size, self.hits), Sums(0.0, 0)
        if aside is not None:
            scored = Sums(*self.ranks.summed(*self._scored(self._share_of(aside))))
        means = [sums.loss / sums.size if sums.size else None for sums in (train, scored)]
        shares = [sums.hits / sums.size if sums.size and self.learns_classes else None for sums in (train, scored)]
        return EpochEnd(epoch + 1, means[0] or 0.0, shares[0], means[1], shares[1], self.seconds)

    def _autocast(self) -> Any:
        """Half the bits where that is asked for, or faster: on GPUs and on processors with bfloat16."""
        import torch

        device, precision = self.chosen_device().type, self.epoch_params.precision
        if precision != "auto":
            return torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext()
        if device == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():  # noqa: SLF001  (asked nowhere else)
            return nullcontext()
        return torch.autocast(device, dtype=torch.bfloat16)

    def _weights(self) -> dict[str, Any]:
        """What a checkpoint keeps of the network: of one that is learned in part, that part and the buffers."""
        each = self.network.named_parameters(remove_duplicate=False)  # a tied weight has two names
        frozen = {name for name, one in each if not one.requires_grad}
        return {name: value for name, value in self.network.state_dict().items() if name not in frozen}

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        if self.checkpoints is None or self.ranks.rank > 0:
            return
        state = {
            "network": self._weights(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
            "size": self.size,
            "hits": self.hits,
            "loss": self.loss,
            "ended": [asdict(end) for end in self._ended],
        }
        self.checkpoints.save(state, self.step)

    def _save_where_it_stands(self) -> None:
        """At SIGTERM, which may come in the middle of a step: that step is undone, or brought to its end."""
        applied = int(next((float(one["step"]) for one in self.optimiser.state.values()), 0.0))
        while self.schedule.last_epoch < applied:
            self.schedule.step()
        self.step = applied
        self._save()
        logger.info("checkpoint written after step %d", self.step)

    def _resume(self) -> None:
        """Go on from the newest checkpoint; that of the first process counts, since others may see another one."""
        reads = self.checkpoints is not None and self.ranks.rank == 0
        state = self.ranks.from_first(self.checkpoints.newest() if reads and self.checkpoints else None)
        if state is None:
            return
        self.network.load_state_dict(state["network"], strict=False)  # what is frozen is not in there
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.step, self.hits, self.loss, self.size = (state[name] for name in ("step", "hits", "loss", "size"))
        self._ended = [EpochEnd(**end) for end in state["ended"]]
        logger.info("training goes on after step %d of %d, from a checkpoint", self.step, self.total_steps)


def train(training: NetworkTraining[Aside], aside: Aside | None, on_epoch: Callable[[EpochEnd], None]) -> Any:
    """Train to the end, and return the estimator; `on_epoch` gets each epoch."""
    for end in training.epochs(aside):
        on_epoch(end)
    return training.estimator()
