"""The modules that fork servers import before they fork: what steps, and isolated models, import anyway.

In the order in which a run needs them: a request that comes meanwhile waits for one import only. None of them may start
a thread of Python's or run a query while it is imported.
"""

from __future__ import annotations

STEPS = (
    "trainer.commands",
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "polars",
    "trainer.steps",
    "great_expectations",
    "evidently",
    "evidently.presets",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "xgboost",
    "lightgbm",
    "optuna",
    "mlflow.pyfunc",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "shap",
    "jinja2",
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
"""For models that are scored in isolation: only libraries, or a model's own code would not answer."""
