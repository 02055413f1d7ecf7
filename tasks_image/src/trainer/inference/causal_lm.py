"""A trained causal language model: it scores texts and continues them; PyTorch is imported when it is first used."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from trainer.errors import DataValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

LOGITS_AT_ONCE = 1 << 25
"""Scores of the vocabulary that are held at a time, four bytes each."""
IGNORED = -100
"""The class of targets that PyTorch's cross entropy passes over."""


@dataclass(frozen=True, eq=False)
class CausalLm:
    """A network's configuration and weights, and its tokenizer."""

    config: str
    """As transformers writes it, in JSON."""
    weights: bytes
    """As safetensors writes them."""
    tokenizer: str
    """As tokenizers writes it, in JSON."""
    start: int
    """The token that stands before each text, from which its first token is predicted, and that ends one."""
    block_length: int
    stride: int
    params: dict[str, Any]
    requirements: tuple[str, ...] = ("torch", "transformers", "tokenizers", "safetensors")
    """Packages that it needs wherever it is served."""
    _ready: dict[str, Any] = field(default_factory=dict, repr=False)

    def log_likelihoods(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood of each text (n,), in nats, and its number of tokens (n,)."""
        import numpy as np
        import torch

        documents = [one.ids for one in self._tokenizer().encode_batch(list(texts), add_special_tokens=False)]
        with torch.inference_mode():
            losses = document_losses(self._network(), documents, self.start, self.block_length, self.stride)
        return -losses, np.array([len(one) for one in documents], dtype=np.int64)

    def generate(self, texts: Sequence[str], *, max_new_tokens: int, temperature: float, seed: int) -> list[str]:
        """Return a continuation of each of the texts (n,). Raises DataValidationError for parameters out of range."""
        import torch

        if not 0 < max_new_tokens < self.block_length or temperature < 0:
            raise DataValidationError(
                f"max_new_tokens is {max_new_tokens} and temperature {temperature:g}; expected 1 to "
                f"{self.block_length - 1}, which is below the block length, and 0 or more"
            )
        drawn = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
        network, tokenizer, found = self._network(), self._tokenizer(), []
        for text in texts:
            ids = [self.start, *tokenizer.encode(text, add_special_tokens=False).ids]
            asked = torch.tensor([ids[-(self.block_length - max_new_tokens) :]])
            with torch.random.fork_rng(devices=[]), torch.inference_mode():
                torch.manual_seed(seed)  # the same for each text, so that its neighbours do not count
                made = network.generate(
                    asked, attention_mask=torch.ones_like(asked), max_new_tokens=max_new_tokens,
                    eos_token_id=self.start, pad_token_id=self.start, **drawn,
                )  # fmt: skip
            found.append(tokenizer.decode(made[0, asked.shape[1] :].tolist(), skip_special_tokens=True))
        return found

    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        if "tokenizer" not in self._ready:
            self._ready["tokenizer"] = Tokenizer.from_str(self.tokenizer)
        return self._ready["tokenizer"]

    def _network(self) -> Any:
        """The network, ready to answer; loaded once in a process."""
        from safetensors.torch import load

        if "network" not in self._ready:
            network = network_of(json.loads(self.config))
            load_weights(network, load(self.weights))
            self._ready["network"] = network.eval()
        return self._ready["network"]

    def get_params(self) -> dict[str, Any]:
        """As an estimator of scikit-learn has them."""
        return dict(self.params)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_ready": {}}


def network_of(config: dict[str, Any]) -> Any:
    """A causal language model of a configuration, with weights yet to be loaded; code of others is never run."""
    from transformers import AutoConfig, AutoModelForCausalLM

    make: Any = AutoModelForCausalLM.from_config
    return make(AutoConfig.for_model(**config), trust_remote_code=False)


def plain_weights(network: Any) -> dict[str, Any]:
    """The weights of a network, each once: those that are tied to others are left to `load_weights`."""
    seen: set[int] = set()
    found = {}
    for name, value in network.state_dict().items():
        if value.data_ptr() not in seen or not value.numel():
            found[name] = value.detach().cpu().contiguous()
            seen.add(value.data_ptr())
    return found


def load_weights(network: Any, weights: dict[str, Any]) -> None:
    """Load what `plain_weights` gave. Raises ValueError where weights are missing or belong to another network."""
    known = network.state_dict()
    tied = {value.data_ptr() for name, value in known.items() if name in weights}
    missing = [name for name, value in known.items() if name not in weights and value.data_ptr() not in tied]
    if missing or {*weights} - {*known}:
        raise ValueError(f"weights missing: {missing[:3]}, of another network: {sorted({*weights} - {*known})[:3]}")
    network.load_state_dict(weights, strict=False)


class Window(NamedTuple):
    """A part of a document that is scored at once."""

    document: int
    begin: int
    """The place of its first input."""
    first: int
    """The first of its targets, by their places in the window, that no window before it has scored."""


def windows(lengths: Sequence[int], block: int, stride: int) -> Iterator[Window]:
    """Windows in which each token of each document is a target that counts exactly once.

    A document of n tokens has n inputs: the start token and all its tokens but the last. A window's target i is the
    input i + 1, so the first target of a window that begins in the middle is predicted from the input before it.
    """
    for document, length in enumerate(lengths):
        begin = scored = 0
        while scored < length:
            yield Window(document, begin, scored - begin)
            scored = min(length, begin + block)
            begin += stride


def document_losses(
    network: Any, documents: Sequence[Sequence[int]], start: int, block: int, stride: int, device: str = "cpu"
) -> np.ndarray:
    """The negative log-likelihood of each document (n,), in nats, from windows of `block` tokens, `stride` apart."""
    import numpy as np

    losses = np.zeros(len(documents))
    found = sorted(
        windows([len(one) for one in documents], block, stride), key=lambda one: -_size(documents, one, block)
    )
    at_once = max(1, LOGITS_AT_ONCE // (network.config.vocab_size * block))
    for first in range(0, len(found), at_once):
        some = found[first : first + at_once]
        for one, loss in zip(some, _losses(network, documents, some, start, block, device), strict=True):
            losses[one.document] += loss
    return losses


def _size(documents: Sequence[Sequence[int]], one: Window, block: int) -> int:
    return min(block, len(documents[one.document]) - one.begin)


def _losses(
    network: Any, documents: Sequence[Sequence[int]], some: list[Window], start: int, block: int, device: str
) -> list[float]:
    """The loss of each window; what is shorter than the longest is filled up behind, where nothing looks back from."""
    import torch

    longest = max(_size(documents, one, block) for one in some)
    inputs = torch.full((len(some), longest), start)
    targets = torch.full((len(some), longest), IGNORED)
    for place, one in enumerate(some):
        size, ids = _size(documents, one, block), documents[one.document]
        following = torch.tensor(ids[one.begin : one.begin + size])
        before = start if one.begin == 0 else ids[one.begin - 1]
        inputs[place, 0] = before
        inputs[place, 1:size] = following[:-1]
        targets[place, one.first : size] = following[one.first :]
    logits = network(input_ids=inputs.to(device), use_cache=False).logits.float()
    flat = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.to(device).flatten(), ignore_index=IGNORED, reduction="none"
    )
    return flat.reshape(inputs.shape).double().sum(dim=1).tolist()  # type: ignore[no-any-return]
