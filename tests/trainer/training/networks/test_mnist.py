"""The accuracy of the pipeline `mnist` on the published test images, after two epochs."""

from __future__ import annotations

import statistics

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make setup-deep")

from tests.world import PROJECT  # noqa: E402
from trainer.inference.images import ImagePreparation  # noqa: E402
from trainer.pipeline import ImagePipeline, load_pipeline  # noqa: E402
from trainer.pipeline.images import NetworkParams  # noqa: E402
from trainer.sources.readers import read_source  # noqa: E402
from trainer.training.networks.image_training import ImageTraining, Labelled  # noqa: E402
from trainer.training.networks.loop import train  # noqa: E402

DATA = PROJECT / ".data" / "mnist"
SEEDS = (1, 2, 3)
LEAST = 0.99
"""Mean over the seeds; a plain loop of the same network reaches .9881."""


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the published images are not here: make data")
def test_two_epochs_reach_the_published_accuracy() -> None:
    pipeline = load_pipeline(PROJECT / "include" / "pipelines" / "mnist.yaml")
    assert isinstance(pipeline, ImagePipeline)
    rows, _ = read_source(pipeline.source.model_copy(update={"uri": str(DATA)}))
    published = {part: _labelled(pipeline, rows.filter(pl.col("set") == part)) for part in ("train", "t10k")}
    assert {part: len(one.codes) for part, one in published.items()} == {"train": 60_000, "t10k": 10_000}
    params = NetworkParams.model_validate(pipeline.algorithms["cnn"].params)
    assert params.epochs == 2
    accuracies = [_accuracy(published, params, seed) for seed in SEEDS]
    assert statistics.mean(accuracies) >= LEAST, accuracies


def _labelled(pipeline: ImagePipeline, rows: pl.DataFrame) -> Labelled:
    return Labelled(ImagePreparation.of(pipeline.images).transform(rows), np.array(rows["label"], dtype=np.int64))


def _accuracy(published: dict[str, Labelled], params: NetworkParams, seed: int) -> float:
    network = train(ImageTraining(published["train"], 10, params, seed), None, lambda _end: None)
    answers = network.predict_proba(published["t10k"].pixels).argmax(axis=1)
    accuracy = float(np.mean(answers == published["t10k"].codes))
    print(f"seed {seed}: {accuracy}")  # noqa: T201  (the measurement itself)
    return accuracy
