"""Savers: a fitted pipeline as an MLflow model."""

from __future__ import annotations

import logging
import pickle
import shutil
import tempfile
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import trainer
from trainer.errors import ConfigurationError
from trainer.own_code.bundle import NOTHING, OWN, Bundle, bundle
from trainer.pipeline import Spec

if TYPE_CHECKING:
    import polars as pl
    from mlflow.models import ModelSignature
    from mlflow.models.model import ModelInfo

    from trainer.inference.fitted import FittedPipeline

logger = logging.getLogger(__name__)

SERVING_PACKAGES = ("mlflow", "numpy", "pandas", "polars", "pyarrow", "pydantic", "PyYAML", "scikit-learn")
EXAMPLE_ROWS = 3
BUNDLED_ROOMS = ("inference", "pipeline")
BUNDLED_FILES = ("__init__.py", "addresses.py", "errors.py")


class PyFuncSaver(Spec):
    """Saves the pipeline with the code that answers, its exact requirements, a signature and an input example.

    >>> PyFuncSaver().name
    'model'
    """

    KIND: Literal["pyfunc"] = "pyfunc"
    name: str = "model"

    def save(
        self, fitted: FittedPipeline, signature: ModelSignature, example: pl.DataFrame, metadata: dict[str, Any]
    ) -> ModelInfo:
        """Log the model to the active MLflow run; returns what MLflow knows of it."""
        import mlflow.pyfunc

        from trainer.inference.pyfunc import FITTED

        bundled = bundle()
        with tempfile.TemporaryDirectory() as scratch:
            package = _copy_of_package(Path(scratch))
            file = Path(scratch) / f"{FITTED}.pickle"
            file.write_bytes(pickle.dumps(fitted))
            info = mlflow.pyfunc.log_model(
                name=self.name,
                python_model=str(package / "inference" / "entry_point.py"),
                artifacts={FITTED: str(file)},
                code_paths=[str(package), *map(str, bundled.paths)],
                pip_requirements=requirements_of(fitted.estimator, bundled),
                signature=signature,
                input_example=_as_signed(example.head(EXAMPLE_ROWS), signature),
                metadata=metadata,
            )
        logger.info("model saved as %s", info.model_uri)
        return info


def _copy_of_package(folder: Path) -> Path:
    """Copy the modules that a model needs and no others: whoever loads the model runs them."""
    package, copy = Path(trainer.__file__).parent, folder / OWN
    copy.mkdir()
    for name in BUNDLED_FILES:
        shutil.copy(package / name, copy / name)
    for name in BUNDLED_ROOMS:
        shutil.copytree(package / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def _as_signed(example: pl.DataFrame, signature: ModelSignature) -> Any:
    """A few rows in the signature's types: whole numbers are signed as floats where any row lacks one."""
    import polars as pl
    from mlflow.types import DataType

    floats = {column.name for column in signature.inputs.inputs if column.type == DataType.double}
    return example.with_columns(pl.col(name).cast(pl.Float64) for name in example.columns if name in floats).to_pandas()


def requirements_of(estimator: Any, bundled: Bundle = NOTHING) -> list[str]:
    """The pinned packages that a process needs to load the model: what serving imports, and the estimator's own.

    A module that is bundled with the model needs what it imports. Raises ConfigurationError for any other estimator
    that no installed package has: nothing could install it elsewhere.
    """
    module = type(estimator).__module__.split(".")[0]
    known = packages_distributions()
    if module not in {*known, *bundled.names, OWN}:
        raise ConfigurationError(
            f"the estimator's module {module!r} belongs to no installed package; install it as one, or name its "
            "repository under `code`"
        )
    # The module `xgboost` is in `xgboost` or in `xgboost-cpu`.
    own = [package for name in (module, *sorted(bundled.imports)) for package in known.get(name, [])[:1]]
    needed = dict.fromkeys((*SERVING_PACKAGES, *own, *getattr(estimator, "requirements", ())))
    # `+cpu` and the like name a build, which the package index of another machine need not have.
    return [f"{name}=={version(name).partition('+')[0]}" for name in needed if name != OWN]
