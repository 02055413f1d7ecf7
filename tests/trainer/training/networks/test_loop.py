"""Training that is killed and started again gives the same network, to the bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make setup-deep")

from trainer.errors import DivergedError  # noqa: E402
from trainer.pipeline.images import NetworkParams  # noqa: E402
from trainer.process.sigterm import ENDED  # noqa: E402
from trainer.run import RunFolder  # noqa: E402
from trainer.training.networks.checkpoints import KEPT, Checkpoints  # noqa: E402
from trainer.training.networks.image_training import ImageTraining, Labelled  # noqa: E402
from trainer.training.networks.loop import EpochEnd, train  # noqa: E402

PARAMS = NetworkParams(epochs=3, batch_size=16, channels=(4, 4), hidden=8, lr=0.01)
STEPS = 3 * 7


def digits(rows: int = 100, seed: int = 0) -> Labelled:
    """Bright squares on the left or on the right of images of 8 by 8."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 2, rows)
    pixels = random.integers(0, 60, (rows, 1, 8, 8))
    for place, code in enumerate(codes):
        pixels[place, 0, 2:6, 4 * code : 4 * code + 4] += 150
    return Labelled(pixels.astype(np.uint8), codes.astype(np.int64))


def checkpoints(folder: Path, **changes: Any) -> Checkpoints:
    run = RunFolder.open(str(folder)).at("train", "cnn")
    return Checkpoints.of(run, {**PARAMS.model_dump(), **changes})


def training(where: Checkpoints | None = None, params: NetworkParams = PARAMS) -> ImageTraining:
    torch.set_num_threads(1)
    return ImageTraining(digits(), 2, params, seed=5, checkpoints=where)


@pytest.fixture(scope="module")
def undisturbed() -> bytes:
    ends: list[EpochEnd] = []
    weights: bytes = train(training(), digits(seed=1), ends.append).weights
    assert [end.epoch for end in ends] == [1, 2, 3]
    assert ends[-1].validation_accuracy is not None
    assert ends[-1].validation_accuracy > 0.95
    return weights


def ignore(end: EpochEnd) -> None:
    """What need not be told."""


class Killed(BaseException):
    """Ends a training as a kill does: nothing is written after it."""


@pytest.mark.parametrize("step", [1, 2, 6, 7, 8, 11, 13, 14, 15, 20])
def test_killed_at_any_step_it_goes_on_to_the_same_network(
    step: int, undisturbed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = PARAMS.model_copy(update={"checkpoint_minutes": 1e-9})  # one after each step
    learn = ImageTraining._learn

    def killed(self: ImageTraining, *rows: Any) -> None:
        learn(self, *rows)
        if self.step == step:
            raise Killed

    monkeypatch.setattr(ImageTraining, "_learn", killed)
    with pytest.raises(Killed):
        train(training(checkpoints(tmp_path), params), None, ignore)
    monkeypatch.setattr(ImageTraining, "_learn", learn)
    assert len([*tmp_path.glob("train/cnn/state/*")]) <= KEPT
    again = training(checkpoints(tmp_path), params)
    assert again.step == step - 1, "the last checkpoint was written before the step that was killed"
    assert train(again, None, ignore).weights == undisturbed


ENDED_IN = """
import os, signal, sys
from pathlib import Path
from tests.trainer.training.networks.test_loop import checkpoints, training
from trainer.process.sigterm import ends_on_sigterm
from trainer.training.networks.loop import train

running = training(checkpoints(Path(sys.argv[1])))
owner, name = {"forward": (running, "_scores"), "optimiser": (running.optimiser, "step"), "step": (running, "_learn")}[sys.argv[2]]
real = getattr(owner, name)


def ended(*values):
    result = real(*values) if name == "step" else None  # the optimiser's own is done when the signal comes
    if running.step == 9:
        os.kill(os.getpid(), signal.SIGTERM)
    return result if name == "step" else real(*values)


setattr(owner, name, ended)
with ends_on_sigterm():
    train(running, None, lambda end: None)
"""


@pytest.mark.parametrize("moment", ["forward", "optimiser", "step"])
def test_sigterm_writes_a_checkpoint_wherever_it_comes(moment: str, undisturbed: bytes, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDED_IN, str(tmp_path), moment],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
    )
    assert done.returncode == ENDED, done.stderr
    again = training(checkpoints(tmp_path))
    assert again.step == (10 if moment == "optimiser" else 9)
    assert train(again, None, ignore).weights == undisturbed


def test_a_training_that_was_done_is_not_done_again_but_reported_again(undisturbed: bytes, tmp_path: Path) -> None:
    first: list[EpochEnd] = []
    train(training(checkpoints(tmp_path)), digits(seed=1), first.append)
    ends: list[EpochEnd] = []
    assert train(training(checkpoints(tmp_path)), digits(seed=1), ends.append).weights == undisturbed
    assert ends == first, "the curves in MLflow are complete"


def test_a_checkpoint_that_is_cut_off_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train(training(checkpoints(tmp_path)), None, ignore)
    older, newest = sorted((tmp_path / "train/cnn/state").iterdir())
    newest.write_bytes(newest.read_bytes()[:1000])
    assert training(checkpoints(tmp_path)).step == int(older.stem.rpartition("-")[2]) == STEPS - 7
    assert f"checkpoint {newest.name} cannot be read, an older one is taken" in caplog.text


def test_another_configuration_has_checkpoints_of_its_own(tmp_path: Path) -> None:
    train(training(checkpoints(tmp_path)), None, ignore)
    assert training(checkpoints(tmp_path, lr=0.5)).step == 0
    assert len([*tmp_path.glob("train/cnn/state/*")]) == KEPT, "the others are left as they are"


def test_a_loss_that_is_no_number_is_told_with_its_step() -> None:
    params = PARAMS.model_copy(update={"lr": 1e30})
    with pytest.raises(DivergedError, match=r"the loss is (nan|inf) at step \d+ of 21; lower `lr`"):
        train(training(params=params), None, ignore)


def test_the_main_package_needs_no_torch() -> None:
    code = "import sys, trainer.modalities.images, trainer.training.networks.image_job; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
