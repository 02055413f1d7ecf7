"""XGBoost: the device that it trains on, and the one that it serves on."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from trainer.pipeline import XGBoost
from trainer.problems import problem_of
from trainer.training.estimators import fit_estimator
from trainer.training.libraries.xgboost import XGBoostLibrary, boosting_device
from trainer.training.training_rows import HeldRows


def test_a_device_can_be_named() -> None:
    assert XGBoostLibrary().device(XGBoost(params={"device": "cuda:1"})) == "cuda:1"


@pytest.mark.skipif(boosting_device() == "cpu", reason="XGBoost is not built for GPUs here, or none is visible")
def test_a_gpu_is_used_for_training_and_not_asked_for_when_serving() -> None:
    features = np.random.default_rng(5).normal(size=(400, 4))
    rows, trees = HeldRows(features, features[:, 0]), XGBoost(params={"n_estimators": 15, "max_depth": 3})
    assert XGBoostLibrary().device(trees) == "cuda"
    estimator = fit_estimator(trees, rows, problem_of("regression"), seed=7, threads=1)
    assert estimator.get_params()["device"] == "cpu"


def test_without_a_visible_gpu_boosting_is_on_the_cpu() -> None:
    build = (
        "from trainer.pipeline import XGBoost; from trainer.problems import problem_of; "
        "from trainer.training.libraries.xgboost import XGBoostLibrary; "
        "built = XGBoostLibrary().build(XGBoost(), problem_of('regression'), 1, 1); print(built.get_params()['device'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", build], env={"CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "cpu\n"
