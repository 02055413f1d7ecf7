"""The modules that fork servers import before they fork; steps and isolated models import them anyway.

In the order in which a run needs them: a request that comes meanwhile waits for one import only. None of them may start
a thread of Python's or run a query while it is imported.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_RUN_BY_OTHERS = {"__main__", "entry_point", "score_model", "fork_server", "rendezvous"}
"""Scripts, the file that MLflow runs to load a model, and what torchrun calls, which imports PyTorch."""
_OF_THE_ROUTER = _PACKAGE / "serving"
"""Web servers, which no step runs."""
_OWN = [
    ".".join(["trainer", *file.relative_to(_PACKAGE).with_suffix("").parts])
    for file in sorted(_PACKAGE.rglob("*.py"))
    if file.stem not in {"__init__", *_RUN_BY_OTHERS} and file.parent != _OF_THE_ROUTER
]

STEPS = (
    "trainer.commands.step",
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "polars",
    "great_expectations",
    "evidently",
    "evidently.presets",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "optuna",
    "xgboost",
    "lightgbm",
    "mlflow.pyfunc",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "shap",
    "jinja2",
    "alembic.command",
    "fsspec.implementations.local",
    "git",
    "pyarrow.pandas_compat",
    *_OWN,
)
"""For steps of tabular pipelines."""
SCORING = (
    "mlflow.pyfunc",
    "polars",
    "pyarrow.parquet",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "xgboost",
    "lightgbm",
)
"""For models that are scored in isolation: libraries only, or a model's own code would not answer."""
