"""Training a language model, beside a plain loop of transformers: the same network on the same blocks of tokens."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from bench.figure import Figure
from bench.timing import alternate, cpu_seconds
from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from trainer.pipeline.texts import ScratchParams
    from trainer.training.networks.language_models import Beginning

BLOCKS, BLOCK, BATCH = 24, 256, 8
REPEATS = 3
GOAL = 1.5
"""Times the tokens per CPU second of the plain loop."""
ARTICLES, VOCABULARY, WIDTH, LAYERS, HEADS, RATE = 800, 1_000, 384, 4, 6, 1e-3


def language_tokens() -> list[Figure]:
    """Tokens that are learned in a CPU second. Raises ConfigurationError without transformers."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        raise ConfigurationError("language_tokens: transformers is not installed: make setup-deep")
    import torch

    torch.set_num_threads(1)
    params, texts = _params(), _texts()
    documents = _documents(params, texts)

    def ours() -> float:
        return BLOCKS * BLOCK / cpu_seconds(_training(params, texts, documents))

    def plain() -> float:
        return BLOCKS * BLOCK / cpu_seconds(_plain_loop(params, texts, documents))

    pair = alternate(ours, plain, REPEATS)
    how = (
        f"{BLOCKS} blocks of {BLOCK} tokens through a GPT-2 of {LAYERS} layers of width {WIDTH}, one thread, against a "
        f"loop of `model(input_ids=…, labels=…)` with AdamW, batch {BATCH} for both; median of {REPEATS} pairs"
    )
    return [Figure("language_tokens", pair.value, pair.reference, GOAL, "higher", "tokens/CPU s", how)]


def _params() -> ScratchParams:
    from trainer.pipeline.texts import ScratchParams

    return ScratchParams(
        epochs=1,
        lr=RATE,
        batch_size=BATCH,
        block_length=BLOCK,
        vocabulary=VOCABULARY,
        width=WIDTH,
        layers=LAYERS,
        heads=HEADS,
    )


def _texts() -> list[str]:
    from trainer.sources.samples.articles import generate_articles

    return generate_articles(ARTICLES, 42, 0).frame["text"].to_list()


def _documents(params: ScratchParams, texts: list[str]) -> list[list[int]]:
    """One document of as many tokens as make the blocks, the token that ends it being the last."""
    made = _beginning(params, texts)
    ids = [token for one in made.tokenizer.encode_batch(texts) for token in one.ids]
    return [ids[: BLOCKS * BLOCK - 1]]


def _beginning(params: ScratchParams, texts: list[str]) -> Beginning:
    from trainer.training.networks.language_models import beginning

    return beginning(params, texts, 42)


def _training(params: ScratchParams, texts: list[str], documents: list[list[int]]) -> Any:
    from trainer.training.networks.text_training import TextTraining

    training = TextTraining(_beginning(params, texts), documents, params, seed=42)
    return lambda: [*training.epochs(None)]


def _plain_loop(params: ScratchParams, texts: list[str], documents: list[list[int]]) -> Any:
    """As most examples have it: all numbers of 32 bits, and the loss that the model computes itself."""
    import torch

    network = _beginning(params, texts).network
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE)
    blocks = torch.tensor([*documents[0], 0]).reshape(BLOCKS, BLOCK)

    def loop() -> None:
        network.train()
        for batch in blocks[torch.randperm(BLOCKS)].split(params.batch_size):
            loss = network(input_ids=batch, labels=batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()

    return loop
