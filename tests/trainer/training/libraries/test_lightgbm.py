"""LightGBM: its own names of parameters, and its device."""

from __future__ import annotations

from trainer.pipeline import LightGBM
from trainer.problems import problem_of
from trainer.training.libraries.lightgbm import LightGBMLibrary


def test_lightgbms_own_names_are_known() -> None:
    algorithm = LightGBM(params={"feature_fraction": 0.5, "bagging_freq": 1, "reg_lambda": 1.0})
    built = LightGBMLibrary().build(algorithm, problem_of("regression"), seed=1, threads=1)
    assert built.get_params()["feature_fraction"] == 0.5


def test_a_device_can_be_named() -> None:
    assert LightGBMLibrary().device(LightGBM(params={"device_type": "gpu"})) == "gpu"
    assert LightGBMLibrary().device(LightGBM()) == "cpu"
