"""What the training of a language model begins with: a network and its tokenizer, new ones or somebody's."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, OutageError
from trainer.pipeline.texts import LanguageModelParams, PretrainedParams, ScratchParams
from trainer.training.networks.model_files import ELSE, HUB_FILES, local_folder, refuse_no_weights, tokenizer_folder
from trainer.training.networks.tokenizer import (
    config_of,
    read_tokenizer,
    refuse_lossy,
    start_token,
    trained_tokenizer,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

OWN = ("_name_or_path", "auto_map")
"""Entries of a configuration that say where it came from and whose code it asks for."""


@dataclass(frozen=True, eq=False)
class Beginning:
    """A network that is to be trained, on the processor, and its tokenizer."""

    network: Any
    tokenizer: Tokenizer
    start: int
    """The token between texts."""

    @property
    def config(self) -> str:
        """The configuration in JSON, from which the same network can be made."""
        known = self.network.config.to_dict()
        return json.dumps({name: value for name, value in known.items() if name not in OWN}, default=str)


def beginning(params: LanguageModelParams, texts: Sequence[str], seed: int) -> Beginning:
    """The network of these parameters, whose first weights follow from the seed where they are new.

    Raises ConfigurationError where a model or a tokenizer cannot be had or they do not fit each other, OutageError
    where the hub does not answer.
    """
    import torch

    torch.manual_seed(seed)
    made = _new(params, texts) if isinstance(params, ScratchParams) else _somebodys(params)
    _refuse_misfit(made, params)
    refuse_lossy(made.tokenizer, texts, "tokenizer")
    return made


def _new(params: ScratchParams, texts: Sequence[str]) -> Beginning:
    """A small GPT-2 whose position table is as long as a block."""
    from trainer.inference.causal_lm import network_of

    if params.tokenizer is None:
        tokenizer, known = trained_tokenizer(texts, params.vocabulary), {}
    else:
        folder = tokenizer_folder(params.tokenizer)
        tokenizer, known = read_tokenizer(folder), config_of(folder)
    start = start_token(tokenizer, known, params.tokenizer or "tokenizer")
    dropouts = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), params.dropout)
    network = network_of({
        "model_type": "gpt2", "vocab_size": tokenizer.get_vocab_size(), "n_positions": params.block_length,
        "n_embd": params.width, "n_layer": params.layers, "n_head": params.heads, **dropouts,
        "bos_token_id": start, "eos_token_id": start,
    })  # fmt: skip
    return Beginning(network, tokenizer, start)


def _somebodys(params: LanguageModelParams) -> Beginning:
    if not isinstance(params, PretrainedParams):
        raise TypeError(f"{type(params).__name__} has no model")
    folder = local_folder(params.model) or _from_hub(params.model, params.revision)
    config = config_of(folder)
    refuse_no_weights(params.model, folder)
    tokenizer = read_tokenizer(folder)
    return Beginning(_weighted(folder, params.model), tokenizer, start_token(tokenizer, config, params.model))


def _weighted(folder: Path, name: str) -> Any:
    """The network in a folder. Raises ConfigurationError where it cannot be loaded without code of its own."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        network, found = AutoModelForCausalLM.from_pretrained(
            str(folder), use_safetensors=True, trust_remote_code=False, local_files_only=True, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    except (ValueError, OSError, RuntimeError, KeyError, SafetensorError) as error:
        raise ConfigurationError(
            f"model {name!r}: cannot be loaded: {str(error).strip().splitlines()[0]} Only causal language models that "
            "transformers knows itself are loaded; code that comes with a model is never run"
        ) from error
    if missing := sorted(found["missing_keys"]):
        raise ConfigurationError(
            f"model {name!r}: {len(missing)} of its weights are not in {folder}, such as {missing[0]}; this is not a "
            "causal language model, or its files are cut off"
        )
    return network


def _refuse_misfit(made: Beginning, params: LanguageModelParams) -> None:
    """Raise ConfigurationError where tokens have no embedding, or a block is longer than the model can see."""
    config, tokens = made.network.config, made.tokenizer.get_vocab_size()
    if tokens > made.network.get_input_embeddings().num_embeddings:
        raise ConfigurationError(
            f"the tokenizer does not fit the model: it has {tokens:,} tokens, and the model has embeddings of "
            f"{made.network.get_input_embeddings().num_embeddings:,}; use the tokenizer that the model was trained with"
        )
    most = getattr(config, "max_position_embeddings", None)
    if most is not None and params.block_length > most:
        raise ConfigurationError(
            f"block_length is {params.block_length:,}, and the model sees {most:,} tokens at once; lower block_length"
        )


def _from_hub(name: str, revision: str) -> Path:
    """The files of a model on the hub, in the cache of this machine (HF_HOME)."""
    import httpx2
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=HUB_FILES))
    except (HFValidationError, RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ConfigurationError(
            f"model {name!r}, revision {revision!r}: the hub has no such model, or keeps it from you; correct the "
            f"name, set HF_TOKEN for a private one, or {ELSE}"
        ) from error
    except (OSError, httpx2.HTTPError) as error:
        raise OutageError(
            f"model {name!r}: its weights cannot be had from the hub ({type(error).__name__}), and this machine has "
            f"none in its cache; give it a way to the hub, or {ELSE}"
        ) from error
