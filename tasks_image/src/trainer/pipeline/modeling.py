"""The part of a pipeline that says how models are made."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from trainer.pipeline.data import Identifier
from trainer.pipeline.resources import AlgorithmResources
from trainer.pipeline.spec import Spec


class Features(Spec):
    """Columns computed from the inputs, as SQL expressions."""

    fit: dict[Identifier, str] = {}
    """Aggregates over the training rows; each becomes a constant that `derive` uses by its name."""
    derive: dict[Identifier, str] = {}
    """Row-by-row expressions; each becomes an input of the model."""


Imputation = Literal["median", "mean"]
Encoding = Literal["one_hot", "ordinal", "native", "target"]
Scaling = Literal["standard", "none"]
RareBelow = Annotated[int, Field(ge=1)]


class Preprocess(Spec):
    """The rules by which inputs become numbers; fitted on training rows only."""

    numeric: Imputation = "median"
    """The number that replaces a missing one."""
    categorical: Encoding = "one_hot"
    """`one_hot`: a column per category. `ordinal`: its place in the alphabet. `native`: left to the algorithm, which
    has to handle categories itself (lightgbm, xgboost). `target`: the mean target of its training rows, cross-fitted
    and shrunk to the overall mean, as by scikit-learn's TargetEncoder; with k > 2 classes, k columns."""
    rare: RareBelow = 1
    """Categories with fewer training rows than this become one, to which unseen categories then belong as well."""
    numeric_scaling: Scaling | None = None
    """`standard`: mean 0 and standard deviation 1 over the training rows, for numbers, ordinals and target encodings.
    null: `standard` for scikit-learn's linear models, support vector machines, nearest neighbours and neural networks,
    else `none`."""


class AlgorithmPreprocess(Spec):
    """The parts of the pipeline's `preprocess` that are different for one algorithm; null: as in the pipeline."""

    numeric: Imputation | None = None
    categorical: Encoding | None = None
    rare: RareBelow | None = None
    numeric_scaling: Scaling | None = None


class Range(Spec):
    """Numbers to search between; whole ones if both ends are whole."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range needs low above 0, not {self.low}")
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range takes no step")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"a step has to be above 0, not {self.step}")
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        if whole and isinstance(self.step, float):
            raise ValueError(f"whole numbers are searched in whole steps, not {self.step}")
        return self


class Choice(Spec):
    """Values to choose from."""

    choices: Annotated[list[str | int | float | bool | None], Field(min_length=1)]


class Algorithm(Spec):
    """What every algorithm can say."""

    remark: ClassVar[str] = ""
    """A remark on its models, shown beside their name."""

    KIND: str
    params: dict[str, Any] = {}
    search: dict[str, Range | Choice] = {}
    resources: AlgorithmResources = {}
    """What tuning and training this algorithm needs of a cluster, over the pipeline's `resources`."""


class TabularAlgorithm(Algorithm):
    """An algorithm that learns from columns."""

    handles_categories: ClassVar[bool] = False
    """True for libraries that split categories themselves."""
    preprocess: AlgorithmPreprocess = AlgorithmPreprocess()
    """The parts of the pipeline's `preprocess` that are different for this algorithm."""

    @property
    def needs_scaling(self) -> bool:
        """True if the size of an input's numbers changes what is learned."""
        return False

    def preprocess_with(self, common: Preprocess) -> Preprocess:
        """Return the pipeline's `preprocess` as this algorithm uses it, its scaling settled."""
        own = self.preprocess.model_dump(exclude_none=True)
        settled = {"numeric_scaling": common.numeric_scaling or ("standard" if self.needs_scaling else "none")}
        return common.model_copy(update={**settled, **own})

    def preprocess_mistakes(self, common: Preprocess, where: str) -> list[str]:
        """Return an error as a line if the algorithm, which stands at `where`, has to handle categories and cannot."""
        if self.handles_categories or self.preprocess_with(common).categorical != "native":
            return []
        mistake = (
            f"{where}: preprocess.categorical: 'native' needs an algorithm that handles categories itself (KIND "
            f"lightgbm or xgboost), and this one is {self.KIND}; give it an encoding of its own, such as "
            f"`preprocess: {{categorical: target}}` under {where}"
        )
        return [mistake]


class XGBoost(TabularAlgorithm):
    """Gradient-boosted trees by XGBoost."""

    handles_categories: ClassVar[bool] = True
    KIND: Literal["xgboost"] = "xgboost"


class LightGBM(TabularAlgorithm):
    """Gradient-boosted trees by LightGBM."""

    handles_categories: ClassVar[bool] = True
    KIND: Literal["lightgbm"] = "lightgbm"


SCALED_MODULES = ("sklearn.linear_model.", "sklearn.svm.", "sklearn.neighbors.", "sklearn.neural_network.")


class Sklearn(TabularAlgorithm):
    """Any estimator with scikit-learn's interface, by its import path."""

    KIND: Literal["sklearn"] = "sklearn"
    estimator: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*\.[A-Za-z_]\w*$")]

    @property
    def needs_scaling(self) -> bool:
        return self.estimator.startswith(SCALED_MODULES)


AnyAlgorithm = Annotated[XGBoost | LightGBM | Sklearn, Field(discriminator="KIND")]
AlgorithmName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class EarlyStopping(Spec):
    """Boosting stops when rows that are held out from the fold's own training rows stop improving."""

    rounds: Annotated[int, Field(ge=1)] = 30
    """Without improvement, after which boosting stops."""
    max_rounds: Annotated[int, Field(ge=1)] = 1000
    """Where it stops at the latest; the search sets `n_estimators` to it, and to the mean round found afterwards."""
    holdout: Annotated[float, Field(gt=0, lt=0.5)] = 0.15
    """Share of the fold's training rows; the fold's scored rows are never looked at."""


Refit = Literal["none", "validation", "everything"]


class Tuning(Spec):
    """How hyperparameters are searched."""

    enabled: bool = True
    trials: Annotated[int, Field(ge=1, le=10_000)] = 50
    timeout_minutes: Annotated[float, Field(gt=0)] = 60
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    metric: str
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that share the study's trials. With several, the order of the trials, and so the result, depends on
    which of them is faster; with one, the same seed gives the same result."""
    seed: int = 42
    parallel_folds: Annotated[int, Field(ge=1)] | None = None
    """Folds fitted at the same time; by default one per core."""
    startup_trials: Annotated[int, Field(ge=1)] = 10
    """Random trials before the sampler learns from them, and before any trial may be pruned."""
    early_stopping: EarlyStopping | None = None
