"""Texts are scored token by token: each once, and as an independent computation does."""

from __future__ import annotations

import math
import pickle
from typing import Any

import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make setup-deep")
pytest.importorskip("transformers", reason="transformers is not installed: make setup-deep")

from tests.trainer.training.networks.language import params, texts  # noqa: E402
from trainer.errors import DataValidationError  # noqa: E402
from trainer.inference import causal_lm  # noqa: E402
from trainer.inference.causal_lm import CausalLm, document_losses, load_weights, plain_weights, windows  # noqa: E402
from trainer.inference.texts import FittedLanguageModel, TextPreparation  # noqa: E402
from trainer.training.networks.language_models import Beginning, beginning  # noqa: E402
from trainer.training.networks.text_training import TextTraining  # noqa: E402

LENGTHS = [1, 15, 16, 17, 40, 33]


@pytest.fixture(scope="module")
def made() -> Beginning:
    found = beginning(params(width=16, dropout=0.0), texts(), 1)
    with torch.no_grad():
        for one in found.network.parameters():
            one.mul_(4)  # far from equal chances, so that the context counts
    found.network.eval()
    return found


@pytest.fixture(scope="module")
def fitted(made: Beginning) -> FittedLanguageModel:
    ids = [one.ids for one in made.tokenizer.encode_batch(texts())]
    return FittedLanguageModel(TextPreparation("text"), TextTraining(made, ids, params(), 1).estimator())


def one_by_one(network: Any, ids: list[int], start: int, block: int, stride: int) -> float:
    """The same in the plainest way: for each token the context that it has, and the model asked for it alone."""
    loss, stream = 0.0, [start, *ids]
    for place in range(1, len(stream)):
        begin = 0
        while begin + block < place:  # the first window that reaches the token
            begin += stride
        logits = network(input_ids=torch.tensor([stream[begin:place]])).logits[0, -1].double()
        loss -= float(torch.log_softmax(logits, dim=0)[stream[place]])
    return loss


@pytest.mark.parametrize("stride", [16, 8, 5])
@pytest.mark.parametrize("at_once", [1 << 25, 1], ids=["together", "one by one"])
def test_losses_are_those_of_an_independent_computation(
    stride: int, at_once: int, made: Beginning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(causal_lm, "LOGITS_AT_ONCE", at_once)
    generator = torch.Generator().manual_seed(3)
    documents = [torch.randint(0, 270, (length,), generator=generator).tolist() for length in LENGTHS]
    with torch.inference_mode():
        found = document_losses(made.network, documents, made.start, 16, stride)
        expected = [one_by_one(made.network, one, made.start, 16, stride) for one in documents]
    assert found == pytest.approx(expected, rel=1e-5)
    perplexities = [math.exp(sum(losses) / sum(LENGTHS)) for losses in (found, expected)]
    assert perplexities[0] == pytest.approx(perplexities[1], abs=1e-4 * perplexities[1])


@pytest.mark.parametrize("stride", [1, 5, 16])
def test_each_token_is_a_target_once(stride: int) -> None:
    counted = {length: [0] * length for length in LENGTHS}
    for one in windows(LENGTHS, 16, stride):
        length = LENGTHS[one.document]
        for place in range(one.begin + one.first, min(one.begin + 16, length)):
            counted[length][place] += 1
    assert all(set(times) == {1} for times in counted.values())


def test_a_model_answers_alike_wherever_it_is_loaded(fitted: FittedLanguageModel) -> None:
    rows = pl.DataFrame({"text": texts(5, seed=2)})
    output = fitted.predict(rows)
    again = pickle.loads(pickle.dumps(fitted)).predict(rows[::-1])[::-1]
    assert output["tokens"].equals(again["tokens"])
    assert output["prediction"].to_list() == pytest.approx(again["prediction"].to_list(), rel=1e-6)
    assert output.columns == ["prediction", "tokens"]


def test_what_follows_is_drawn_by_the_seed_whatever_stands_beside_it(fitted: FittedLanguageModel) -> None:
    frame = pl.DataFrame({"text": ["the cat sat", "the dog " * 40]})
    asked = {"max_new_tokens": 6, "temperature": 0.8, "seed": 5}
    both, alone = fitted.answers(frame, **asked), fitted.answers(frame[1:], **asked)
    assert both["continuation"][1] == alone["continuation"][0]
    other = fitted.answers(frame, **{**asked, "seed": 6})
    assert list(both["continuation"]) != list(other["continuation"])
    greedy = [fitted.answers(frame, max_new_tokens=6, temperature=0.0, seed=seed)["continuation"][0] for seed in (1, 2)]
    assert greedy[0] == greedy[1]


@pytest.mark.parametrize(
    "asked", [{"max_new_tokens": 16}, {"max_new_tokens": -1}, {"max_new_tokens": 3, "temperature": -0.1}]
)
def test_parameters_out_of_range_are_refused(asked: dict[str, Any], fitted: FittedLanguageModel) -> None:
    with pytest.raises(DataValidationError, match=r"max_new_tokens is -?\d+ and temperature .*; expected 1 to 15"):
        fitted.answers(pl.DataFrame({"text": ["a"]}), **asked)


@pytest.mark.parametrize("text", ["", None])
def test_a_row_without_a_text_is_named(text: str | None, fitted: FittedLanguageModel) -> None:
    with pytest.raises(DataValidationError, match="text: 1 of 2 rows have no text: row 2"):
        fitted.predict(pl.DataFrame({"text": ["a", text]}))
    with pytest.raises(DataValidationError, match="columns missing from the rows to predict: text"):
        fitted.predict(pl.DataFrame({"texts": ["a"]}))


def test_weights_of_another_network_are_refused(made: Beginning) -> None:
    weights = plain_weights(made.network)
    assert "lm_head.weight" not in weights or "transformer.wte.weight" not in weights, "tied ones are kept once"
    with pytest.raises(ValueError, match=r"weights missing: \['transformer.wpe.weight'\], of another network: \['x'\]"):
        load_weights(
            made.network,
            {**{k: v for k, v in weights.items() if "wpe" not in k}, "x": weights["transformer.wpe.weight"]},
        )
    assert CausalLm.requirements == ("torch", "transformers", "tokenizers", "safetensors")
