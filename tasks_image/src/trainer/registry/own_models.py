"""Models that a run has logged itself, with what was pickled in them."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.inference.fitted import FittedPipeline


def load_fitted(model_id: str) -> FittedPipeline:
    """The fitted pipeline of a model that this run has logged itself; anyone else's would need its own code."""
    import mlflow

    from trainer.inference.pyfunc import FITTED
    from trainer.registry.tracking import connect

    logged = connect().get_logged_model(model_id)
    with tempfile.TemporaryDirectory() as scratch:
        uri = f"{logged.artifact_location}/artifacts/{FITTED}.pickle"
        file = mlflow.artifacts.download_artifacts(uri, dst_path=scratch)
        fitted: FittedPipeline = pickle.loads(Path(file).read_bytes())  # noqa: S301  (this run's own artifact)
    return fitted
