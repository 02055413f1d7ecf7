"""Training of a causal language model on the tokens of texts."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError
from trainer.inference.causal_lm import IGNORED, CausalLm, document_losses, plain_weights
from trainer.pipeline.texts import LanguageModelParams, PretrainedParams
from trainer.process.ignored_warning import ignored_warning
from trainer.training.networks.loop import NetworkTraining, Progress, Sums
from trainer.training.networks.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from trainer.training.networks.checkpoints import Checkpoints
    from trainer.training.networks.language_models import Beginning

    Documents = Sequence[Sequence[int]]

SECONDS_BETWEEN_REPORTS = 10


class TextTraining(NetworkTraining["Documents"]):
    """A language model that learns texts: one stream of tokens, cut into blocks."""

    def __init__(
        self,
        made: Beginning,
        documents: Documents,
        params: LanguageModelParams,
        seed: int,
        checkpoints: Checkpoints | None = None,
        *,
        ranks: Ranks = ALONE,
    ) -> None:
        import torch

        self.made, self.params = made, params
        self.device = self.chosen_device()
        self.inputs, self.targets = _blocks(documents, made.start, params.block_length)
        self.rows = len(self.inputs)
        torch.manual_seed(seed + 1)  # of LoRA's matrices; not the one of the first weights
        self._reported_at, self._reported_tokens = time.monotonic(), 0
        super().__init__(_prepared(made.network, params).to(self.device), params, seed, checkpoints, ranks)

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

    @property
    def smallest_part(self) -> str:
        return f"one block of {self.params.block_length} tokens; lower block_length"

    def _size_of(self, chosen: torch.Tensor) -> int:
        return int((self.targets[chosen] != IGNORED).sum())

    def _loss_of(self, chosen: torch.Tensor) -> tuple[torch.Tensor, int]:
        import torch

        logits = self.model(input_ids=self.inputs[chosen].to(self.device), use_cache=False).logits
        targets = self.targets[chosen].to(self.device).flatten()
        logits = logits.flatten(0, 1).float()
        return torch.nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum"), 0

    def _clip(self) -> bool:
        import torch

        learned = [one for one in self.network.parameters() if one.requires_grad]
        most = self.params.clip_norm or math.inf
        return math.isfinite(float(torch.nn.utils.clip_grad_norm_(learned, most)))

    def _share_of(self, aside: Documents) -> Documents:
        share: Documents = self.ranks.share(aside)
        return share

    def _scored(self, aside: Documents) -> Sums:
        """Score the tokens of whole documents, as they are scored when the model is served."""
        import torch

        if not aside:
            return Sums(0.0, 0)
        self.network.eval()
        block, stride = self.params.block_length, self.params.window_stride
        with torch.inference_mode():
            losses = document_losses(self.network, aside, self.made.start, block, stride, self.device.type)
        return Sums(float(losses.sum()), sum(map(len, aside)))

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
