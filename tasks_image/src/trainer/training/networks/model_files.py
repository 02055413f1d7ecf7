"""Where the files of published language models are, and what is known of them before anything is loaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.environment import variable
from trainer.errors import ConfigurationError
from trainer.pipeline.texts import PretrainedParams, ScratchParams

if TYPE_CHECKING:
    from trainer.pipeline.networks import EpochParams

HUB_FILES = ["config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer.json", "vocab.json", "merges.txt"]
ELSE = "name a folder that has them, or train a small model with `KIND: gpt2_from_scratch`"


def refuse_absent(params: EpochParams) -> None:
    """Raise ConfigurationError for a model or a tokenizer that cannot be had; the hub is not asked.

    A tokenizer's name is not checked where the data store, to which it may be relative, is not known.
    """
    if isinstance(params, ScratchParams) and params.tokenizer and variable("data_store"):
        tokenizer_folder(params.tokenizer)
    if isinstance(params, PretrainedParams):
        folder = local_folder(params.model)
        if folder is not None:
            refuse_no_weights(params.model, folder)
        elif _is_offline() and not _is_cached(params.model, params.revision):
            raise ConfigurationError(
                f"model {params.model!r}, revision {params.revision!r}: it is not in this machine's cache, and "
                f"HF_HUB_OFFLINE keeps the hub from being asked; unset it, or {ELSE}"
            )


def local_folder(name: str) -> Path | None:
    """Return the folder that a model's name says: as it stands, or in the data store; None: it is of a hub.

    Raises ConfigurationError for a path where there is no folder.
    """
    store = variable("data_store").removeprefix("file://")
    places = [Path(name).expanduser(), *([Path(store) / name] if store and "://" not in store else [])]
    if found := next((place for place in places if place.is_dir()), None):
        return found
    if name.startswith(("/", ".", "~")):
        raise ConfigurationError(f"model {name!r}: there is no such folder; correct the path")
    return None


def tokenizer_folder(name: str) -> Path:
    """Return the folder of a tokenizer. Raises ConfigurationError where there is none."""
    found = local_folder(name)
    if found is None:
        raise ConfigurationError(
            f"tokenizer {name!r}: there is no such folder, here or in the data store; `make data` fetches GPT-2's as "
            "gpt2_tokenizer, and without a name one is trained on the texts"
        )
    return found


def refuse_no_weights(name: str, folder: Path) -> None:
    """Raise ConfigurationError for a folder that lacks a configuration or weights."""
    if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")):
        return
    pickled = " (its *.bin are pickled, and what is unpickled can run code)" if any(folder.glob("*.bin")) else ""
    raise ConfigurationError(
        f"model {name!r}: {folder} lacks config.json or *.safetensors{pickled}; a model of transformers "
        "writes both with save_pretrained"
    )


def _is_offline() -> bool:
    if importlib.util.find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _is_cached(name: str, revision: str) -> bool:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str)
    except HFValidationError:
        return False
