"""Ending an experiment: all traffic goes back to version A, and a person is asked about the winner."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trainer.deployment.targets import target_of
from trainer.environment import read_environment
from trainer.errors import ConfigurationError
from trainer.experiments.analysis import looks_of, verdict
from trainer.experiments.outcomes import open_store

if TYPE_CHECKING:
    from trainer.experiments.records import Experiment

logger = logging.getLogger(__name__)


def end_experiment(name: str) -> Experiment:
    """Give all traffic to version A and keep the result; done again, nothing changes.

    Production does not move: `next_steps` says what a person does.

    One whose creation was cut off is ended too.

    Raises ConfigurationError if the experiment does not exist, OutageError if the router or the database does not
    answer: the experiment runs on then, or the next call goes on.
    """
    from trainer.deployment.local_target import LocalTarget

    store = open_store()
    experiment = store.get(name)
    if not experiment.ended_at:
        if not experiment.started_at:
            experiment = _begun(experiment)
        target = target_of(read_environment().serving, experiment.model)
        if not isinstance(target, LocalTarget):
            raise ConfigurationError(f"experiment {name}: {target.address} is not the router that it runs on")
        target.end_experiment(name)
        ended = experiment.model_copy(update={"ended_at": time.time()})
        store.update(ended)  # from here on no outcome is taken, so that the result is that of all outcomes
        experiment = ended
    if experiment.outcome is None:
        look = looks_of(experiment, store.units(name), experiment.ended_at)[-1]
        outcome = verdict(experiment, look, experiment.ended_at)
        experiment = experiment.model_copy(update={"outcome": outcome})
        store.update(experiment)
        if outcome.winner != "b":
            _remove(experiment)
    _record(experiment)
    return experiment


def _remove(experiment: Experiment) -> None:
    """End the process of version B, which nobody needs any more."""
    target = target_of(read_environment().serving, experiment.model)
    served = target.state()
    if experiment.version_b in served.running and not served.percent_of(experiment.version_b):
        target.remove(experiment.version_b)


def _begun(experiment: Experiment) -> Experiment:
    """Return an experiment whose creation was cut off, from its creation on."""
    logger.warning("experiment %s: its creation was cut off", experiment.name)
    return experiment.model_copy(update={"started_at": experiment.created_at})


def _record(experiment: Experiment) -> None:
    """Record the end in the model's history."""
    from trainer.registry.experiment_records import record_experiment, recorded_experiments
    from trainer.registry.history import person
    from trainer.registry.versions import asking_mlflow

    with asking_mlflow() as client:
        for found in recorded_experiments(client, experiment.model):
            if found.name == experiment.name and not found.ended_at and experiment.outcome is not None:
                at = datetime.fromtimestamp(experiment.ended_at, UTC).isoformat(timespec="milliseconds")
                ended = {"ended_at": at, "ended_by": person(), "result": experiment.outcome.text}
                record_experiment(client, experiment.model, found.model_copy(update=ended))


def next_steps(experiment: Experiment) -> str:
    """Return what a person does after the end of an experiment, with the exact command."""
    from trainer.registry.tracking import PIPELINE_TAG
    from trainer.registry.versions import PRODUCTION, aliases_of, asking_mlflow, version_or_none

    outcome, model = experiment.outcome, experiment.model
    served = f"Version {experiment.version_a} has all traffic."
    if outcome is None or outcome.winner != "b":
        return f"{served} There is nothing to approve: production stays as it is."
    winner = experiment.version_b
    with asking_mlflow() as client:
        if aliases_of(client, model).get(PRODUCTION) == winner:
            return f"{served} Version {winner} is production already; `trainer deploy` lets it answer all requests."
        found = version_or_none(client, model, winner)
    pipeline = found.tags.get(PIPELINE_TAG, "") if found else ""
    form = {
        "move": "promotion",
        "model": model,
        "version": winner,
        "reason": f"experiment {experiment.name}: {outcome.text}",
    }
    conf = json.dumps(form).replace("'", "'\\''")
    return (
        f"{served} To ask for an approval that makes version {winner} production:\n\n"
        f"airflow dags trigger {pipeline}_requests --conf '{conf}'\n\n"
        f"A person answers on Airflow's page Required Actions. After the approval {pipeline}_deployment lets it answer "
        "all requests; without an approval nothing changes."
    )
