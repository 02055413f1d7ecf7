"""Pipelines whose rows are texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from trainer.pipeline.judging import AgainstProduction, Gates
from trainer.pipeline.modeling import AlgorithmName
from trainer.pipeline.networks import EpochParams, Network, NetworkPipeline
from trainer.pipeline.spec import Spec


class Texts(Spec):
    """What each text is."""

    column: str = "text"
    """The column with the texts; of a language model it is the target, too."""


class LanguageModelParams(EpochParams):
    """How any language model is trained and judged."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often all training texts are seen."""
    lr: Annotated[float, Field(gt=0, le=1)] = 5e-5
    """The highest learning rate, after the warm-up."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 8
    """Blocks of tokens that each step learns from: of all GPUs together, where there are several."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """The share of all steps in which the learning rate rises from 0."""
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """The largest norm of a step's gradient; null: any."""
    block_length: Annotated[int, Field(ge=2, le=1_048_576)] = 128
    """Tokens that the model sees at once, when it learns and when it is judged."""
    stride: Annotated[int, Field(ge=1)] | None = None
    """Tokens from one window to the next when a text longer than a block is scored; by default a block, the quickest.
    With fewer, each token is predicted from more of those before it. Every token counts once in any case."""

    @model_validator(mode="after")
    def _windows_overlap(self) -> Self:
        if self.stride is not None and self.stride > self.block_length:
            raise ValueError(
                f"stride ({self.stride}) is above block_length ({self.block_length}); tokens would be lost"
            )
        return self

    @property
    def window_stride(self) -> int:
        """Tokens from one window to the next."""
        return self.stride or self.block_length


class ScratchParams(LanguageModelParams):
    """A small GPT-2 that is trained from nothing (Radford et al. 2019)."""

    lr: Annotated[float, Field(gt=0, le=1)] = 0.002
    layers: Annotated[int, Field(ge=1, le=96)] = 2
    width: Annotated[int, Field(ge=2, le=16_384)] = 128
    heads: Annotated[int, Field(ge=1, le=128)] = 2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    tokenizer: str | None = None
    """A folder with `tokenizer.json`, or with `vocab.json` and `merges.txt`; null: one is trained on the texts."""
    vocabulary: Annotated[int, Field(ge=257, le=1_000_000)] = 4000
    """Tokens of the tokenizer that is trained (byte-level BPE)."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) is not a multiple of heads ({self.heads})")
        return self


class Lora(Spec):
    """Low-rank matrices are learned beside the weights, which stay as they are (Hu et al. 2021)."""

    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    alpha: Annotated[int, Field(ge=1)] = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    modules: list[str] | None = None
    """The layers that get them, such as `[c_attn]`; by default those that PEFT knows for the kind of model."""


class PretrainedParams(LanguageModelParams):
    """A causal language model that somebody has trained, and how it is trained on."""

    model: Annotated[str, Field(min_length=1)] = "distilgpt2"
    """Its name on the Hugging Face hub, or a folder with `config.json`, `*.safetensors` and a tokenizer."""
    revision: str = "main"
    """Of a model on the hub: a branch, a tag or a commit. A commit gives the same weights for ever."""
    lora: Lora | None = None
    """null: all weights are trained."""


class Scratch(Network):
    """A small GPT-2, trained from nothing."""

    params_class: ClassVar[type[EpochParams]] = ScratchParams
    remark: ClassVar[str] = "trained FROM SCRATCH, not from published weights"

    KIND: Literal["gpt2_from_scratch"] = "gpt2_from_scratch"


class Pretrained(Network):
    """A causal language model from the Hugging Face hub or a folder, trained on."""

    params_class: ClassVar[type[EpochParams]] = PretrainedParams

    KIND: Literal["pretrained"] = "pretrained"


LanguageModel = Annotated[Scratch | Pretrained, Field(discriminator="KIND")]


class AgainstProductionOnTexts(AgainstProduction):
    """As of other rows; documents are few and long, so fewer of them make a comparison."""

    min_rows: Annotated[int, Field(ge=30)] = 30
    """Test documents that neither model was trained or tuned on; with fewer, nothing is compared and nothing moves."""


class TextGates(Gates):
    """What the figures of test documents have to reach."""

    against_production: AgainstProductionOnTexts


class TextPipeline(NetworkPipeline):
    """Rows are texts, whose tokens a language model predicts one after the other."""

    modality: ClassVar[str] = "text"
    rows_are_made_by: ClassVar[frozenset[str]] = frozenset({"text"})
    problems: ClassVar[frozenset[str]] = frozenset({"language_modeling"})
    target_is_input: ClassVar[bool] = True

    text: Texts
    algorithms: Annotated[Mapping[AlgorithmName, LanguageModel], Field(min_length=1)]
    gates: TextGates

    def modality_mistakes(self) -> list[str]:
        mistakes = super().modality_mistakes()
        if self.columns.target != self.text.column:
            mistakes.append(
                f"columns.target: is {self.columns.target!r}, and a language model predicts the text itself: name the "
                f"column {self.text.column!r} in both places"
            )
        return mistakes
