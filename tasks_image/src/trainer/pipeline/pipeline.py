"""What every pipeline's YAML says, whatever its rows are and whatever is predicted; checked across its parts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, StringConstraints, field_validator, model_validator

from trainer.pipeline.approval import Approval
from trainer.pipeline.data import AnySplit, Check, Columns, Drift, GroupSplit, HashSplit
from trainer.pipeline.deployment import Deployment
from trainer.pipeline.document import did_you_mean, dump_yaml, validate
from trainer.pipeline.judging import Acceptance, Behaviour, CutOff, Gates, Registry
from trainer.pipeline.metrics import METRICS, ProblemName, metrics_for
from trainer.pipeline.modeling import Algorithm, AlgorithmName, Refit, Tuning
from trainer.pipeline.monitoring import Monitoring, with_inherited_reading
from trainer.pipeline.own_code import Code
from trainer.pipeline.parameters import CLEARABLE, RunParameters
from trainer.pipeline.problem_rules import PROBLEM_RULES
from trainer.pipeline.resources import Resources, StepResources
from trainer.pipeline.retraining import Retrain
from trainer.pipeline.scoring import CRON, Scoring, with_inherited
from trainer.pipeline.sources import AnySource
from trainer.pipeline.spec import Spec

AIRFLOW_TAG, MLFLOW_NOTE = 100, 5000
"""Characters that fit into the databases of Airflow and MLflow: a longer value would end the process that stores it."""
NODE_STEPS = ("train", "refit")
"""Steps that several nodes can share."""


class Pipeline(Spec):
    """What a pipeline's YAML says. Frozen; `for_run` gives the pipeline as one run uses it.

    There is a class for each modality; `pipeline_of` finds the one of a document.
    """

    modality: ClassVar[str]
    """What a row is, such as `tabular`."""
    problems: ClassVar[frozenset[str]] = frozenset(get_args(ProblemName))
    """The problems that can be solved with such rows."""
    rows_are_made_by: ClassVar[frozenset[str]] = frozenset()
    """Fields that say what a model is given of a row."""
    trains_in_epochs: ClassVar[bool] = False
    """Whether networks are trained, of which a run may set epochs, learning rate and batch."""
    has_features: ClassVar[bool] = False
    """Whether rows have features that a service can ask for by id."""
    target_is_input: ClassVar[bool] = False
    """Whether a model is given the target: of a text, each token is predicted from those before it."""

    version: Literal[1] = 1
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
    description: Annotated[str, StringConstraints(max_length=MLFLOW_NOTE)]
    owner: Annotated[str, StringConstraints(min_length=1, max_length=250)] = "mlops-team"
    schedule: Annotated[str, StringConstraints(pattern=CRON)] | None = None
    """Five cron fields or a preset such as `@weekly`; null: only by hand."""
    tags: list[Annotated[str, StringConstraints(min_length=1, max_length=AIRFLOW_TAG)]] = []
    code: Code | None = None
    """A git repository with estimators of one's own; null: installed packages have them all."""
    problem: ProblemName
    source: AnySource
    columns: Columns
    validation: list[Check] = []
    drift: Drift = Drift()
    split: AnySplit = HashSplit()
    algorithms: Annotated[Mapping[AlgorithmName, Algorithm], Field(min_length=1)]
    tuning: Tuning
    refit: Refit = "validation"
    """On which rows the winner is fitted once more before it is judged. `validation`: on training and validation rows.
    `none`: it stays as it was fitted on the training rows. `everything` (splits by time only): the test rows are those
    newer than any that production has learned from; a winner that is promoted is fitted on all rows after that."""
    gates: Gates
    cut_off: CutOff | None = None
    """The rule for the probability from which a row counts as positive (two classes); null: the best F1 on validation
    rows."""
    behaviour: list[Behaviour] = []
    """What has to happen to the model's answers when something about real rows is changed."""
    acceptance: Acceptance = Acceptance()
    approval: Approval = Approval()
    """When a person has to approve. `approval: always` is short for `approval: {when: always}`."""
    registry: Registry
    scoring: Scoring | None = None
    """Rows that are scored in batches by the DAG `<name>_scoring`; null: there is no such DAG."""
    monitoring: Monitoring | None = None
    """How scored rows are watched by the DAG `<name>_monitoring`, which needs `scoring`; null: there is no such DAG."""
    deployment: Deployment | None = None
    """How a promoted version gets to answer requests, by the DAG `<name>_deployment`; null: there is no such DAG."""
    retrain: Retrain | None = None
    """When `monitoring` starts a training run beside `schedule`; null: never."""
    resources: StepResources = {}
    """What each step needs of a cluster; a local run takes what the machine has."""
    run: RunParameters = RunParameters()
    """Defaults of the run parameters; in a run's frozen file, the parameters of that run."""

    @model_validator(mode="before")
    @classmethod
    def _scoring_reads_alike(cls, document: Any) -> Any:
        return with_inherited_reading(with_inherited(document)) if isinstance(document, dict) else document

    @field_validator("approval", mode="before")
    @classmethod
    def _short_approval(cls, value: Any) -> Any:
        return {"when": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        mistakes = [
            *self._metric_mistakes(),
            *self._column_mistakes(),
            *self._slice_mistakes(),
            *self._behaviour_mistakes(),
            *self._freshness_mistakes(),
            *self._problem_mistakes(),
            *self._run_mistakes(),
            *self._scoring_mistakes(),
            *self._monitoring_mistakes(),
            *self._retrain_mistakes(),
            *self._node_mistakes(),
            *self.modality_mistakes(),
        ]
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self

    def _problem_mistakes(self) -> list[str]:
        if self.problem not in self.problems:
            return [f"problem: a {self.problem} of {self.modality} is not supported{did_you_mean('', self.problems)}"]
        return PROBLEM_RULES[self.problem](self)

    def modality_mistakes(self) -> list[str]:
        """What a pipeline of this modality may not say."""
        return []

    def _role_mistakes(self) -> list[str]:
        columns = self.columns
        mistakes = [
            f"columns.{role}: {name!r} is the target; a column has one role"
            for role, name in (("id", columns.id), ("time", columns.time))
            if name == columns.target
        ]
        if columns.target in columns.exclude:
            mistakes.append(f"columns.exclude: {columns.target!r} is the target, which is never an input; leave it out")
        mistakes += [
            f"source.dates.{date}: {part!r} is {columns.never_used[part]}, which nothing may be computed from"
            for date, parts in self.source.dates.items()
            for part in parts.columns
            if part in columns.never_used
        ]
        published = [name for name in columns.named if name in self.source.rename]
        return mistakes + [
            f"columns: {name!r} is called {self.source.rename[name]!r} by source.rename; use that name"
            for name in published
            if name not in self.source.rename.values()
        ]

    def _metric_mistakes(self) -> list[str]:
        named = {
            "tuning.metric": self.tuning.metric,
            "gates.against_production.metric": self.gates.against_production.metric,
            **{f"gates ({limit.metric})": limit.metric for limit in self.gates.limits()},
            **{f"gates.slices ({gate.column})": metric for gate in self.gates.slices for metric in gate.limits},
        }
        fitting = metrics_for(self.problem)
        return [
            f"{where}: {metric!r} is no metric of a {self.problem} pipeline{did_you_mean(metric, fitting)}"
            for where, metric in named.items()
            if metric not in fitting
        ]

    def _column_mistakes(self) -> list[str]:
        mistakes = []
        if self.split.validation + self.split.test >= 1:
            mistakes.append("split: validation and test together leave no rows to train on")
        if self.split.KIND == "time" and self.columns.time is None:
            mistakes.append("columns.time: a split by time needs the column that says when a row was observed")
        if isinstance(self.split, GroupSplit) and self.split.column == self.columns.target:
            mistakes.append(
                f"split.column: {self.split.column!r} is the target, so each part would hold targets of its own; name "
                "the column that says which rows belong together"
            )
        if isinstance(self.split, GroupSplit) and not self.has_features:
            mistakes.append(
                "split.KIND: 'group' is only for tables: other tuning holds out single rows; use another split"
            )
        mistakes += self._role_mistakes()
        if self.refit == "everything" and self.split.KIND != "time":
            mistakes.append(
                "refit: 'everything' needs a split by time (`split: {KIND: time}`): only newer rows are unseen then"
            )
        return mistakes

    def _slice_mistakes(self) -> list[str]:
        columns = [gate.column for gate in self.gates.slices]
        no_segments = {"target": self.columns.target, "id": self.columns.id, "time": self.columns.time}
        twice = [
            f"gates.slices: {name!r} stands here twice" for name in dict.fromkeys(columns) if columns.count(name) > 1
        ]
        return twice + [
            f"gates.slices: {name!r} is the {role}, which makes no segments"
            for role, name in no_segments.items()
            if name in columns
        ]

    def _behaviour_mistakes(self) -> list[str]:
        names = [behaviour.name for behaviour in self.behaviour]
        mistakes = [f"behaviour: {name!r} stands here twice" for name in dict.fromkeys(names) if names.count(name) > 1]
        return mistakes + [
            f"behaviour ({behaviour.name}): the target {self.columns.target!r} cannot be set"
            for behaviour in self.behaviour
            if self.columns.target in behaviour.set and not self.target_is_input
        ]

    def _freshness_mistakes(self) -> list[str]:
        if self.gates.against_production.rule == "not_worse" and self.refit == "everything":
            mistake = (
                "gates.against_production.rule: 'not_worse' bounds the loss of the model that is judged, and with "
                "`refit: everything` another fit is promoted; use `refit: validation`, or `rule: better`"
            )
            return [mistake]
        return []

    def _run_mistakes(self) -> list[str]:
        unknown = [name for name in self.run.algorithms or [] if name not in self.algorithms]
        mistakes = [f"run.algorithms: no algorithm {name!r}{did_you_mean(name, self.algorithms)}" for name in unknown]
        given = [name for name in ("epochs", "lr") if getattr(self.run, name) is not None]
        if self.run.gpu is not None and not self.trains_in_epochs:
            mistakes.append("run.gpu: only a run that trains networks asks for GPUs; use resources.train.gpu")
        return mistakes + [f"run.{name}: only a network has it" for name in given if not self.trains_in_epochs]

    def _scoring_mistakes(self) -> list[str]:
        if self.scoring is None:
            return []
        if not self.has_features:
            return [f"scoring: rows of {self.modality} are not scored in batches, only those of tables; remove it"]
        if self.columns.id is None:
            return ["scoring: needs `columns.id`, by which each answer is known; name the column"]
        return []

    def _monitoring_mistakes(self) -> list[str]:
        if self.monitoring is None:
            return []
        if self.scoring is None:
            return ["monitoring: needs `scoring`, whose rows it looks at; add that section, or remove this one"]
        return []

    def _retrain_mistakes(self) -> list[str]:
        if self.retrain is None:
            return []
        if self.monitoring is None:
            return ["retrain: needs `monitoring`, whose looks decide; add that section, or remove this one"]
        if self.retrain.when.performance_drop is not None and self.monitoring.labels is None:
            mistake = (
                "retrain.when.performance_drop: needs `monitoring.labels`: without labels no performance is measured, "
                "and an estimate starts nothing; name them, or use `drift_share`"
            )
            return [mistake]
        return []

    def _node_mistakes(self) -> list[str]:
        """Return the resources whose step cannot be shared by several nodes."""
        said = {f"resources.{step}": (step, one) for step, one in self.resources.items()}
        for name, algorithm in self.algorithms.items():
            said |= {f"algorithms.{name}.resources.{step}": (step, one) for step, one in algorithm.resources.items()}
        allowed = NODE_STEPS if self.trains_in_epochs else ()
        why = (
            f"only the steps {' and '.join(NODE_STEPS)} run on several nodes; set it for those"
            if allowed
            else "only a network is trained by several nodes; leave it out, and give the step more cores"
        )
        return [
            f"{place}.nodes: {one.nodes}: {why}"
            for place, (step, one) in said.items()
            if (one.nodes or 1) > 1 and step not in allowed
        ]

    @property
    def scoring_batch(self) -> int | None:
        """Rows that a model is asked at a time when it is judged; None: all at once."""
        return self.run.batch_size

    def with_run_parameters(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document of the pipeline as a run uses it, with what its modality takes from the run parameters."""
        return document

    @property
    def selected_algorithms(self) -> list[str]:
        """The algorithms that this run trains, in the file's order."""
        chosen = self.run.algorithms
        return [name for name in self.algorithms if chosen is None or name in chosen]

    def resources_of(self, step: str, algorithm: str = "") -> Resources:
        """What the pipeline itself says of a step's resources: of the algorithm's, the step's and the default."""
        of_algorithm = self.algorithms[algorithm].resources if algorithm else {}
        named = [self.resources.get("default"), self.resources.get(step), of_algorithm.get(step)]  # type: ignore[call-overload]
        return reduce(lambda base, over: over.over(base), filter(None, named), Resources())

    @property
    def greater_is_better(self) -> bool:
        """Whether the metric that chooses between candidates improves as it rises."""
        return METRICS[self.tuning.metric].greater_is_better

    def for_run(self, parameters: dict[str, Any]) -> Self:
        """The pipeline with a run's parameters applied; raises ConfigurationError where one is wrong."""
        given = {key: value for key, value in parameters.items() if value is not None or key in CLEARABLE}
        run = validate(RunParameters, {**self.run.model_dump(exclude_none=True), **given}, "run parameters")
        document = self.model_dump(mode="json")
        document["run"] = run.model_dump(mode="json")
        if run.trials is not None:
            document["tuning"]["trials"] = run.trials
        if run.tuning is not None:
            document["tuning"]["enabled"] = run.tuning
        document = self.with_run_parameters(document)
        return validate(type(self), document, f"pipeline {self.name} with run parameters")

    def to_yaml(self) -> str:
        """The pipeline as a YAML text that `parse_pipeline` reads back."""
        return dump_yaml(self.model_dump(mode="json"))
