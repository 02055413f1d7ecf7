"""A language model that is killed and started again is the same, to the bit; batches in parts; LoRA."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make setup-deep")
pytest.importorskip("transformers", reason="transformers is not installed: make setup-deep")

from tests.trainer.training.networks.language import params, texts  # noqa: E402
from trainer.errors import DataValidationError, DivergedError, ModelTrainingError  # noqa: E402
from trainer.inference.causal_lm import IGNORED, CausalLm  # noqa: E402
from trainer.pipeline.texts import LanguageModelParams, PretrainedParams, ScratchParams  # noqa: E402
from trainer.run import RunFolder  # noqa: E402
from trainer.training.networks.checkpoints import Checkpoints  # noqa: E402
from trainer.training.networks.language_models import beginning  # noqa: E402
from trainer.training.networks.loop import EpochEnd, Progress, train  # noqa: E402
from trainer.training.networks.ranks import ALONE, Ranks  # noqa: E402
from trainer.training.networks.text_training import TextTraining, _blocks  # noqa: E402


def training(chosen: LanguageModelParams, folder: Path | None = None, **options: Any) -> TextTraining:
    torch.set_num_threads(1)
    made = beginning(chosen, texts(), 1)
    ids = [one.ids for one in made.tokenizer.encode_batch(texts())]
    known = chosen.model_dump(exclude={"checkpoint_minutes"})
    where = None if folder is None else Checkpoints.of(RunFolder.open(str(folder)).at("train", "gpt"), known)
    return TextTraining(made, ids, chosen, 1, where, **options)


def aside(running: TextTraining) -> list[list[int]]:
    return [one.ids for one in running.made.tokenizer.encode_batch(texts(8, seed=9))]


def ignore(_end: EpochEnd) -> None:
    """Nothing is said."""


class Killed(BaseException):
    """Ends a training as a kill does: nothing is written after it."""


@pytest.fixture(scope="module")
def undisturbed() -> bytes:
    ends: list[EpochEnd] = []
    running = training(params())
    found: CausalLm = train(running, aside(running), ends.append)
    assert [end.epoch for end in ends] == [1, 2]
    assert ends[1].validation_loss is not None
    assert ends[1].validation_loss < ends[1].train_loss < ends[0].train_loss < 6
    return found.weights


@pytest.mark.parametrize("step", [1, 4, 6, 7, 9])
def test_killed_at_any_step_it_goes_on_to_the_same_model(
    step: int, undisturbed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = params(checkpoint_minutes=1e-9)  # one after each step
    learn = TextTraining._learn

    def killed(self: TextTraining, *rows: Any) -> None:
        learn(self, *rows)
        if self.step == step:
            raise Killed

    monkeypatch.setattr(TextTraining, "_learn", killed)
    with pytest.raises(Killed):
        train(training(chosen, tmp_path), None, ignore)
    monkeypatch.setattr(TextTraining, "_learn", learn)
    again = training(chosen, tmp_path)
    assert again.step == step - 1, "the last checkpoint was written before the step that was killed"
    assert train(again, None, ignore).weights == undisturbed


def test_another_configuration_has_checkpoints_of_its_own(tmp_path: Path) -> None:
    train(training(params(epochs=1), tmp_path), None, ignore)
    assert training(params(epochs=1, lr=0.02), tmp_path).step == 0


def test_a_disk_that_is_full_is_an_error_and_the_older_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = training(params(epochs=2), tmp_path)
    epochs = running.epochs(None)
    next(epochs)

    def full(*_values: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left on device"):
        next(epochs)
    monkeypatch.undo()
    assert training(params(epochs=2), tmp_path).step == running.steps_per_epoch


@pytest.mark.parametrize("parts", [2, 4])
def test_a_batch_in_parts_gives_the_same_model(parts: int) -> None:
    chosen = params(epochs=1, dropout=0.0, precision="fp32")
    whole, cut = (training(one) for one in (chosen, chosen.model_copy(update={"accumulation": parts})))
    for running in (whole, cut):
        train(running, None, ignore)
    assert cut.loss == pytest.approx(whole.loss, rel=1e-6) == 0.0
    for one, other in zip(whole.network.parameters(), cut.network.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


class Apart(Ranks):
    """One of several processes, whose gradients are not exchanged."""

    def wrapped(self, network: Any) -> Any:
        return network

    def summing_gradients(self, model: Any, now: bool) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()

    def summed(self, *values: float) -> list[float]:
        return [*values]

    def from_first(self, value: Any) -> Any:
        return value


@pytest.mark.parametrize("rows", [3, 2], ids=["shares of different length", "a process without a share"])
def test_the_mean_of_the_gradients_of_several_processes_is_that_of_one(rows: int) -> None:
    chosen = params(dropout=0.0, precision="fp32")
    alone, *apart = (training(chosen, ranks=ranks) for ranks in (ALONE, *(Apart(rank, 3) for rank in range(3))))
    last = torch.arange(alone.rows - rows, alone.rows)  # the last block has fewer tokens
    sums = [one._gradient(last) for one in (alone, *apart)]
    assert sum(one.loss for one in sums[1:]) == pytest.approx(sums[0].loss, rel=1e-6)
    assert {one.size for one in sums} == {int((alone.targets[last] != IGNORED).sum())}
    for whole, *shares in zip(*(one.network.parameters() for one in (alone, *apart)), strict=True):
        assert torch.allclose(sum(one.grad for one in shares) / 3, whole.grad, atol=1e-6)


def test_where_memory_runs_out_the_batch_is_halved(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor has no such error, so the one that PyTorch raises of a GPU is raised here."""
    chosen = params(epochs=1, dropout=0.0, precision="fp32")
    plain, short = training(chosen), training(chosen)
    forward = short.network.forward

    def limited(*values: Any, **named: Any) -> Any:
        if len(named["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(*values, **named)

    monkeypatch.setattr(short.network, "forward", limited)
    for running in (plain, short):
        train(running, None, ignore)
    assert short.parts == 2
    assert "from step 1 on each batch is computed in 2 parts, with the same result" in caplog.text
    for one, other in zip(plain.network.parameters(), short.network.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    monkeypatch.setattr(short, "_in_parts", lambda *_, **__: (_ for _ in ()).throw(torch.OutOfMemoryError("again")))
    with pytest.raises(ModelTrainingError, match="no memory for one block of 16 tokens; lower block_length"):
        short._learn(torch.arange(4))


def test_a_loss_that_is_no_number_stops_with_its_step(tmp_path: Path) -> None:
    running = training(params(lr=1.0, clip_norm=None, warmup=0.0), tmp_path)
    for one in running.network.parameters():
        one.data.mul_(1e30)
    with pytest.raises(DivergedError, match=r"the loss is (nan|inf) at step 1 of \d+; lower `lr` \(1\)"):
        train(running, None, ignore)


@pytest.mark.parametrize(("schedule", "end"), [("constant", 1.0), ("linear", 0.1), ("cosine", 0.03)])
def test_the_learning_rate_rises_and_falls(schedule: str, end: float) -> None:
    running = training(params(schedule=schedule, warmup=0.2))
    rates = []
    for step in range(running.total_steps):
        rates.append(running.schedule.get_last_lr()[0] / 0.01)
        running._learn(torch.arange(4))
        assert running.step == step + 1
    warm = round(0.2 * running.total_steps)
    assert rates[:warm] == pytest.approx([(step + 1) / (warm + 1) for step in range(warm)])
    assert rates[warm] == 1.0
    assert all(later <= sooner for sooner, later in itertools.pairwise(rates[warm:]))
    assert rates[-1] == pytest.approx(end, abs=0.06)


def test_each_token_of_the_stream_is_a_target_once() -> None:
    inputs, targets = _blocks([[1, 2, 3], [4]], 0, 4)
    assert inputs.tolist() == [[0, 1, 2, 3], [0, 4, 0, 0]]
    assert targets.tolist() == [[1, 2, 3, 0], [4, 0, IGNORED, IGNORED]]
    with pytest.raises(DataValidationError, match="block_length is 7, and all 2 training texts together have 6 tokens"):
        _blocks([[1, 2, 3], [4]], 0, 7)


def test_progress_is_reported_with_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.training.networks.text_training.SECONDS_BETWEEN_REPORTS", 0)
    reports: list[Progress] = []
    running = training(params(epochs=1))
    running.on_progress = reports.append
    train(running, None, ignore)
    assert [one.step for one in reports] == [*range(1, running.total_steps + 1)]
    assert all(one.tokens_per_second > 0 for one in reports)
    assert reports[0].seconds_left > 0 == reports[-1].seconds_left


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model as transformers writes it."""
    folder = tmp_path_factory.mktemp("model")
    running = training(ScratchParams.model_validate(params().model_dump()))
    running.network.save_pretrained(folder)
    running.made.tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_lora_leaves_the_weights_and_is_added_to_what_is_served(published: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="PEFT is not installed: make setup-deep")
    lora = {"rank": 2, "modules": ["c_attn"], "dropout": 0.0}
    chosen = PretrainedParams(model=str(published), epochs=1, lr=0.05, batch_size=4, block_length=16, lora=lora)
    running = training(chosen, tmp_path)
    before = {name: one.clone() for name, one in running.network.named_parameters() if not one.requires_grad}
    found = train(running, aside(running), ignore)
    assert all(torch.equal(before[name], one) for name, one in running.network.named_parameters() if name in before)
    learned = [one for one in running.network.parameters() if one.requires_grad]
    [checkpoint] = (tmp_path / "train/gpt/state").iterdir()
    assert len(torch.load(checkpoint)["network"]) == len(learned) == 2, "a checkpoint has the matrices alone"
    scored = running._scored(aside(running))
    likelihoods, tokens = found.log_likelihoods(texts(8, seed=9))
    assert -likelihoods.sum() / tokens.sum() == pytest.approx(scored.loss / scored.size, rel=1e-4), (
        "the merged weights answer alike"
    )
    assert train(training(chosen, tmp_path), None, ignore).weights == found.weights, "it is resumed at its end"
