"""The steps of a run: their order, how often and when each of them runs, and where. Nothing else lists them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline

Login = Literal["repository", "studies", "features"]
"""A login that only some steps need: to a Git repository, the studies' database, the feature store."""
Condition = Literal["always", "promoted", "may_promote", "to_production"]
Place = Literal["", "source", "scoring.source", "scoring.output", "monitoring.labels"]
"""The section of a pipeline's YAML that names a place outside, which a step reads or writes."""
REFIT: Final = "refit"
"""The step whose model is judged."""
AFTER_DECISION: Final = "refit_everything"
"""A step of pipelines that say `refit: everything`."""
APPROVE_START: Final = "approve_start"
"""The folder of the answer to a run that had to be approved before it began; a task of Airflow's, not a step."""
APPROVE: Final = "approve"
"""A step of pipelines that say when a person has to approve a promotion."""


@dataclass(frozen=True)
class Step:
    """One step of the flow."""

    name: str
    once_per: Literal["run", "algorithm", "worker"] = "run"
    """A step once per worker does not exist with a single worker."""
    only_if: Condition = "always"
    """`promoted`: the decision is to promote; `may_promote`: and the run may move an alias; `to_production`: that of
    production."""
    runs_in: Literal["process", "airflow"] = "process"
    """A process or pod of its own, or Airflow's: then it needs nothing that is heavy."""
    uses: Place = ""
    """The place that the step reads or writes, and whose login it needs."""
    begins: bool = False
    """True for the first step of a flow: it is given the pipeline, and freezes it for the others."""
    logins: frozenset[Login] = frozenset()
    """Whose credentials it gets, if the run has such."""
    after_failure: bool = False
    """True if it runs after failures as well."""
    is_reference: bool = False
    """True if later runs read its files to know the rows of a promoted version."""
    placed_as: str = ""
    """The step whose resources in YAML it gets; its own by default."""


TRAINING = (
    Step("start", begins=True, uses="source", logins=frozenset({"repository"})),
    Step("ingest", uses="source", logins=frozenset({"repository"}), is_reference=True),
    Step("validate"),
    Step("detect_drift"),
    Step("engineer_features", is_reference=True),
    Step("tune_worker", once_per="worker", logins=frozenset({"studies"}), placed_as="tune"),
    Step("tune", once_per="algorithm", logins=frozenset({"studies"})),
    Step("train", once_per="algorithm"),
    Step(REFIT),
    Step("evaluate"),
    Step("explain"),
    Step("decide", runs_in="airflow"),
    Step(APPROVE, only_if="promoted", runs_in="airflow"),
    Step(AFTER_DECISION, only_if="promoted", is_reference=True, placed_as=REFIT),
    Step("register", only_if="promoted"),
    Step("accept", only_if="promoted"),
    Step("promote", only_if="may_promote"),
    Step("publish_features", only_if="to_production", logins=frozenset({"features"})),
    Step("report", after_failure=True),
)
"""The flow that trains, judges and promotes a model."""
SCORING = (
    Step("start_scoring", begins=True, uses="scoring.source", logins=frozenset({"repository"})),
    Step("read_rows", uses="scoring.source", logins=frozenset({"repository"})),
    Step("check_rows"),
    Step("score"),
    Step("publish_scores", uses="scoring.output"),
)
"""The flow that scores rows in batches."""
READ_LABELS: Final = "read_labels"
"""A step of pipelines that say where labels come from."""
MONITOR: Final = "monitor"
"""The step whose result makes a look finished."""
RETRAIN: Final = "retrain"
"""A step of pipelines that say when monitoring starts a training run."""
MONITORING = (
    Step("start_monitoring", begins=True, uses="monitoring.labels", logins=frozenset({"repository"})),
    Step("read_scores", uses="scoring.output"),
    Step(READ_LABELS, uses="monitoring.labels", logins=frozenset({"repository"})),
    Step(MONITOR),
    Step(RETRAIN, runs_in="airflow"),
)
"""The flow that looks at scored rows and their labels."""
DEPLOYMENT = (
    Step("start_deployment", begins=True),
    Step("stage"),
    Step("canary"),
    Step("watch"),
    Step("release", after_failure=True),
)
"""The flow that lets a promoted version answer requests."""
APPROVE_REQUEST: Final = "approve_request"
"""The folder of the answer to a request to move production; a task of Airflow's, not a step."""
REQUESTS = (Step("move_production", begins=True),)
"""The flow that moves production when a person has approved that."""
STEPS = tuple(step.name for step in TRAINING)
ALL_STEPS = (*STEPS, *(step.name for step in (*SCORING, *MONITORING, *DEPLOYMENT, *REQUESTS)))
"""The names of the steps of all flows; no two are alike."""
_BY_NAME = {step.name: step for step in (*TRAINING, *SCORING, *MONITORING, *DEPLOYMENT, *REQUESTS)}
PER_WORKER = frozenset(step.name for step in TRAINING if step.once_per == "worker")
PER_ALGORITHM = frozenset(step.name for step in TRAINING if step.once_per != "run")
"""Steps that run once for each algorithm, or for each worker of its study."""
REFERENCES = frozenset(step.name for step in TRAINING if step.is_reference)


def step_named(name: str) -> Step:
    """The step of a name."""
    return _BY_NAME[name]


def placed_as(step: str) -> str:
    """The name under which a step's resources stand in YAML: some steps get those of another one."""
    return step_named(step).placed_as or step


def last_fit(refit: str) -> str:
    """The step whose model is registered, for what a pipeline says under `refit`."""
    return AFTER_DECISION if refit == "everything" else REFIT


def is_training(step: str) -> bool:
    """Return True for a step of the flow that trains: it may need the pipeline's own code."""
    return step in STEPS


def all_steps_of(pipeline: Pipeline) -> list[Step]:
    """Return the steps of all flows that a pipeline has."""
    scoring, deployment = SCORING if pipeline.scoring else (), DEPLOYMENT if pipeline.deployment else ()
    return [*steps_of(pipeline), *scoring, *monitoring_steps_of(pipeline), *deployment, *REQUESTS]


def steps_of(pipeline: Pipeline) -> list[Step]:
    """The steps that the training runs of a pipeline have."""
    return [step for step in TRAINING if step.name not in _absent(pipeline)]


def monitoring_steps_of(pipeline: Pipeline) -> list[Step]:
    """Return the steps of a pipeline's monitoring; empty if it has none."""
    monitoring = pipeline.monitoring
    if monitoring is None:
        return []
    exists = {READ_LABELS: monitoring.labels is not None, RETRAIN: pipeline.retrain is not None}
    return [step for step in MONITORING if exists.get(step.name, True)]


def _absent(pipeline: Pipeline) -> set[str]:
    """Return the steps that no run of a pipeline has."""
    exists = {
        "tune_worker": pipeline.tuning.workers > 1,
        AFTER_DECISION: pipeline.refit == "everything",
        APPROVE: pipeline.approval.when != "never",
    }
    return {name for name, is_there in exists.items() if not is_there}


def in_stages(steps: list[Step]) -> tuple[list[Step], list[Step], list[Step]]:
    """The steps before an algorithm's own, those, and the steps after them."""
    before, own, after = (list(some) for _, some in groupby(steps, key=lambda step: step.once_per != "run"))
    return before, own, after


class PartOfRun(NamedTuple):
    """A step of a run, with its algorithm or an empty text, and the number of its worker or 0."""

    step: str
    algorithm: str = ""
    worker: int = 0


def parts_of_run(pipeline: Pipeline) -> list[PartOfRun]:
    """Return every part of a run, in order."""
    return [
        PartOfRun(step.name, name, worker)
        for step in steps_of(pipeline)
        for name in (pipeline.selected_algorithms if step.once_per != "run" else [""])
        for worker in (range(1, pipeline.tuning.workers + 1) if step.once_per == "worker" else [0])
    ]
