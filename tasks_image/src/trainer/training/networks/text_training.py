"""Training of a causal language model on the tokens of texts."""

from __future__ import annotations

import logging
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError, ModelTrainingError
from trainer.inference.causal_lm import IGNORED, CausalLm, document_losses, plain_weights
from trainer.pipeline.texts import LanguageModelParams, PretrainedParams
from trainer.process.ignored_warning import ignored_warning
from trainer.training.networks.loop import Learned, NetworkTraining

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from trainer.training.networks.checkpoints import Checkpoints
    from trainer.training.networks.language_models import Beginning

    Documents = Sequence[Sequence[int]]

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_REPORTS = 10


@dataclass(frozen=True)
class Progress:
    """How far a training is."""

    step: int
    steps: int
    loss: float
    """Nats per token, over the epoch so far."""
    tokens_per_second: float
    seconds_left: float


class TextTraining(NetworkTraining["Documents"]):
    """A language model that learns texts: one stream of tokens, cut into blocks."""

    def __init__(
        self,
        made: Beginning,
        documents: Documents,
        params: LanguageModelParams,
        seed: int,
        checkpoints: Checkpoints | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        import torch

        self.made, self.params, self.on_progress = made, params, on_progress
        self.accumulation = params.accumulation
        self.device = self.chosen_device()
        self.inputs, self.targets = _blocks(documents, made.start, params.block_length)
        self.rows = len(self.inputs)
        torch.manual_seed(seed + 1)  # not the one of the first weights
        self._reported_at, self._reported_tokens = time.monotonic(), 0
        super().__init__(_prepared(made.network, params).to(self.device), params, seed, checkpoints)

    def estimator(self) -> CausalLm:
        """The network as it is now; matrices of LoRA are added to the weights, so that it is an ordinary one."""
        from safetensors.torch import save

        network = _merged(self.network)
        params = self.params
        return CausalLm(
            config=self.made.config,
            weights=save(plain_weights(network)),
            tokenizer=self.made.tokenizer.to_str(),
            start=self.made.start,
            block_length=params.block_length,
            stride=params.window_stride,
            params=params.model_dump(mode="json"),
        )

    def _schedule(self) -> torch.optim.lr_scheduler.LRScheduler:
        import torch

        kind, warm = self.params.schedule, round(self.params.warmup * self.total_steps)

        def share(step: int) -> float:
            if step < warm:
                return (step + 1) / (warm + 1)
            done = (step - warm) / max(1, self.total_steps - warm)
            return {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[kind]

        return torch.optim.lr_scheduler.LambdaLR(self.optimiser, share)

    def _gradient(self, chosen: torch.Tensor) -> Learned:
        """Compute the gradient in as many parts as fit into memory; the sum is that of the whole batch."""
        import torch

        while True:
            try:
                return self._in_parts(chosen)
            except torch.OutOfMemoryError as error:
                if self.accumulation >= len(chosen):
                    raise ModelTrainingError(
                        f"the GPU has no memory for one block of {self.params.block_length} tokens; lower block_length"
                    ) from error
            self.optimiser.zero_grad(set_to_none=True)
            torch.set_rng_state(self._random_before)
            torch.cuda.empty_cache()
            self.accumulation *= 2
            logger.warning(
                "the GPU's memory is full: from step %d on each batch is computed in %d parts, with the same result",
                self.step + 1, self.accumulation,
            )  # fmt: skip

    def _in_parts(self, chosen: torch.Tensor) -> Learned:
        import torch

        tokens = int((self.targets[chosen] != IGNORED).sum())
        loss = 0.0
        for part in chosen.chunk(self.accumulation):
            with self._autocast():
                logits = self.network(input_ids=self.inputs[part].to(self.device), use_cache=False).logits
            summed = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1).float(),
                self.targets[part].to(self.device).flatten(),
                ignore_index=IGNORED,
                reduction="sum",
            )
            (summed / tokens).backward()
            loss += float(summed.detach()) / tokens
        return Learned(loss if self._clip() else math.nan, tokens)

    def _clip(self) -> bool:
        """Shorten the gradient where it is too long; whether it is finite."""
        import torch

        learned = [one for one in self.network.parameters() if one.requires_grad]
        most = self.params.clip_norm or math.inf
        return math.isfinite(float(torch.nn.utils.clip_grad_norm_(learned, most)))

    def _scored(self, aside: Documents) -> tuple[float | None, float | None]:
        """The loss per token of whole documents, as they are scored when the model is served."""
        import torch

        if not aside:
            return None, None
        self.network.eval()
        block, stride = self.params.block_length, self.params.window_stride
        with torch.inference_mode():
            losses = document_losses(self.network, aside, self.made.start, block, stride, self.device.type)
        return float(losses.sum()) / sum(map(len, aside)), None

    def _autocast(self) -> Any:
        import torch

        if self.params.precision == "auto":
            return super()._autocast()
        return torch.autocast(self.device.type, torch.bfloat16) if self.params.precision == "bf16" else nullcontext()

    def _after_step(self) -> None:
        self._reported_tokens += self.params.batch_size * self.params.block_length
        passed = time.monotonic() - self._reported_at
        if self.on_progress is None or passed < SECONDS_BETWEEN_REPORTS:
            return
        speed = self._reported_tokens / passed
        left = (self.total_steps - self.step) * self.params.batch_size * self.params.block_length / speed
        self.on_progress(Progress(self.step, self.total_steps, self.loss / self.size, speed, left))
        self._reported_at, self._reported_tokens = time.monotonic(), 0


def _blocks(documents: Documents, start: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets (n, length) of a stream in which the start token stands before, between and behind texts.

    Each token of the stream but the first is a target once; the last block is filled up with targets that do not count.
    Raises DataValidationError where there are fewer tokens than a block has.
    """
    import torch

    stream = torch.tensor([start, *(token for ids in documents for token in (*ids, start))])
    targets = len(stream) - 1
    if targets < length:
        raise DataValidationError(
            f"block_length is {length:,}, and all {len(documents):,} training texts together have {targets:,} tokens; "
            "lower block_length, or train on more text"
        )
    blocks = -(-targets // length)
    behind = blocks * length - targets
    inputs = torch.nn.functional.pad(stream[:-1], (0, behind), value=start)
    following = torch.nn.functional.pad(stream[1:], (0, behind), value=IGNORED)
    return inputs.reshape(blocks, length), following.reshape(blocks, length)


def _prepared(network: Any, params: LanguageModelParams) -> Any:
    """The network with matrices of LoRA beside its weights, where the parameters ask for them."""
    lora = params.lora if isinstance(params, PretrainedParams) else None
    if lora is None:
        return network
    from peft import LoraConfig, get_peft_model

    asked = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.modules,
        fan_in_fan_out=network.config.model_type == "gpt2",
    )
    with ignored_warning("`is_gradient_checkpointing` is deprecated"):  # PEFT asks transformers for it
        return get_peft_model(network, asked)


def _merged(network: Any) -> Any:
    """A plain network; the one that is trained stays as it is."""
    import copy

    merge = getattr(network, "merge_and_unload", None)
    return network if merge is None else copy.deepcopy(network).merge_and_unload()
